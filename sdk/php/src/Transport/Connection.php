<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Exception\InvalidInput;
use Plasm\Exception\NodeNotRunning;
use Plasm\Exception\ProtocolViolation;
use Plasm\Json;
use Plasm\Text;

/**
 * Lines of JSON to and from a Unix socket, each an object with one key; see docs/control.md.
 *
 * What is to be sent goes out while we wait for what comes, so that neither side can keep the other waiting.
 */
final class Connection
{
    private const MAX_LINE_BYTES = 2 ** 20;
    private const READ_BYTES = 2 ** 16;
    private const MAX_DEPTH = 64;
    private const MAX_PATH_BYTES = 107; // of sun_path, unix(7)

    /** @var resource */
    private $socket;
    /** @var list<\Generator<int, array<string, mixed>>> */
    private array $sources = [];
    private string $unsent = '';
    private string $received = '';
    private int $at = 0;
    private float $progressed;

    /** @param ?float $patience how many seconds the other side may be silent */
    public function __construct(string $path, private readonly ?float $patience = null)
    {
        if (strlen($path) > self::MAX_PATH_BYTES) {
            throw InvalidInput::because("the path of a socket has at most 107 bytes, which {$path} exceeds");
        }
        $socket = @stream_socket_client("unix://{$path}", $errno, $reason);
        if ($socket === false) {
            throw NodeNotRunning::because(
                'no node answers at ' . Text::shown($path) . ': ' . ($reason ?: 'it cannot be opened'),
                'start one with: plasm start; only the user that it runs as, and root, may talk to it',
            );
        }
        stream_set_blocking($socket, false);
        stream_set_chunk_size($socket, self::READ_BYTES);
        $this->socket = $socket;
        $this->progressed = microtime(true);
    }

    /** Send these, too, after what is to be sent already. */
    public function send(\Generator $messages): void
    {
        $this->sources[] = $messages;
    }

    /**
     * The key and the value of the next message from the other side.
     *
     * @return array{string, mixed}
     */
    public function receive(): array
    {
        $this->progressed = microtime(true);
        while (($end = strpos($this->received, "\n", $this->at)) === false) {
            $this->received = substr($this->received, $this->at);
            $this->at = 0;
            if (strlen($this->received) > self::MAX_LINE_BYTES) {
                throw ProtocolViolation::because('the node sends a line that is too long');
            }
            $this->move();
        }
        $line = substr($this->received, $this->at, $end - $this->at);
        $this->at = $end + 1;
        $message = json_decode($line, false, self::MAX_DEPTH);
        $fields = $message instanceof \stdClass ? get_object_vars($message) : [];
        if (count($fields) !== 1) {
            throw ProtocolViolation::because('the node sends what is not a message: ' . Text::shown($line));
        }

        return [(string) array_key_first($fields), reset($fields)];
    }

    public function close(): void
    {
        fclose($this->socket);
    }

    /** Wait until something can be read or written, and do it. */
    private function move(): void
    {
        $this->refill();
        $left = $this->patience === null ? null : $this->progressed + $this->patience - microtime(true);
        if ($left !== null && $left <= 0) {
            throw NodeNotRunning::because("the node has said nothing for {$this->patience} s");
        }
        [$readable, $writable] = Ready::of([$this->socket], $this->unsent === '' ? [] : [$this->socket], $left);
        if ($readable !== [] || $writable !== []) {
            $this->progressed = microtime(true);
        }
        if ($writable !== []) {
            $count = @fwrite($this->socket, $this->unsent);
            if ($count === false) {
                $this->unsent = '';
                $this->sources = []; // the node does not listen any more; it may have said why
            } else {
                $this->unsent = substr($this->unsent, $count);
            }
        }
        if ($readable !== []) {
            $data = (string) fread($this->socket, self::READ_BYTES);
            if ($data === '' && feof($this->socket)) {
                throw NodeNotRunning::because('the node went away before it answered');
            }
            $this->received .= $data;
        }
    }

    private function refill(): void
    {
        while ($this->unsent === '' && $this->sources !== []) {
            if (!$this->sources[0]->valid()) {
                array_shift($this->sources);
                continue;
            }
            $this->unsent = Json::encode($this->sources[0]->current()) . "\n";
            $this->sources[0]->next();
            if (strlen($this->unsent) > self::MAX_LINE_BYTES) {
                throw InvalidInput::because(
                    'the manifest is too long for the control socket, which takes lines of up to 1 MiB',
                    'pass large data on stdin',
                );
            }
        }
    }
}
