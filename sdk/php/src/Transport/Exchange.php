<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Crypto;
use Plasm\Exception\InvalidInput;
use Plasm\Exception\ProtocolViolation;
use Plasm\Input;
use Plasm\Job;
use Plasm\Json;
use Plasm\PeerId;

/**
 * One job's way over a control socket; used once.
 *
 * The request goes first.  The node's first line says whether it wants the module; only then input is sent, so that
 * nothing stands between the request and the module.
 */
final class Exchange
{
    private readonly string $nonce;
    private ?PeerId $node = null;
    private bool $sending = false;
    /** @var array<string, string> */
    private array $output = ['stdout' => '', 'stderr' => ''];

    /** @param ?callable(string, string): void $onOutput */
    public function __construct(
        private readonly Connection $connection,
        private readonly Job $job,
        private $onOutput,
    ) {
        $this->nonce = bin2hex(random_bytes(32));
    }

    /** @param array<string, mixed> $asked what the request says beside the job */
    public function run(array $asked): Execution
    {
        $this->connection->send(self::one(['request' => [
            ...$asked,
            'manifest' => $this->job->manifest->document(),
            'module' => ['sha256' => $this->job->module->digest, 'size' => $this->job->module->size()],
            'nonce' => $this->nonce,
            'stdin' => $this->job->stdin !== null,
        ]]));
        while (true) {
            [$key, $value] = $this->connection->receive();
            switch ($key) {
                case 'progress':
                    break; // the job goes on
                case 'send':
                    $this->sendModule($value);
                    break;
                case 'accepted':
                    $this->accepted($value);
                    break;
                case 'output':
                    $this->take($value);
                    break;
                case 'result':
                    return $this->ended($value);
                case 'error':
                    throw SocketTransport::error($value);
                default:
                    throw ProtocolViolation::because("the node sends {$key} in the middle of a job");
            }
        }
    }

    /**
     * A generator of one message.
     *
     * @param array<string, mixed> $message
     * @return \Generator<int, array<string, mixed>>
     */
    public static function one(array $message): \Generator
    {
        yield $message;
    }

    /**
     * One message for each part of the input.
     *
     * @return \Generator<int, array<string, string>>
     */
    private static function parts(string $key, Input $input): \Generator
    {
        foreach ($input->parts() as $part) {
            yield [$key => base64_encode($part)];
        }
    }

    private function sendModule(mixed $what): void
    {
        if ($what !== 'module' || $this->sending) {
            throw ProtocolViolation::because('the node asks for what it has been sent, or for what nobody knows');
        }
        $this->connection->send(self::parts('module', Input::bytes($this->job->module->bytes)));
        $this->sendInput();
    }

    private function sendInput(): void
    {
        $this->sending = true;
        if ($this->job->stdin !== null) {
            $this->connection->send(self::parts('stdin', $this->job->stdin));
            $this->connection->send(self::one(['stdin_end' => true]));
        }
    }

    private function accepted(mixed $value): void
    {
        if ($this->output !== ['stdout' => '', 'stderr' => '']) {
            throw ProtocolViolation::because('the node names another peer after output of the first');
        }
        try {
            $this->node = PeerId::parse(is_string($value->node ?? null) ? $value->node : '');
        } catch (InvalidInput $error) {
            throw ProtocolViolation::because("the node names no peer: {$error->getMessage()}");
        }
        if (!$this->sending) {
            $this->sendInput();
        }
    }

    private function take(mixed $value): void
    {
        $stream = $value->stream ?? null;
        $data = is_string($value->data ?? null) ? Crypto::base64Decode($value->data) : null;
        if ($this->node === null || !is_string($stream) || !isset($this->output[$stream]) || $data === null) {
            throw ProtocolViolation::because('the node sends output that cannot be read');
        }
        $this->output[$stream] .= $data;
        if (array_sum(array_map(strlen(...), $this->output)) > $this->job->manifest->limits->output) {
            throw ProtocolViolation::because('the node sends more output than the job may write');
        }
        if ($this->onOutput !== null) {
            ($this->onOutput)($stream, $data);
        }
    }

    private function ended(mixed $value): Execution
    {
        if ($this->node === null || !($value->receipt ?? null) instanceof \stdClass) {
            throw ProtocolViolation::because('the node sends a result without a receipt');
        }

        return new Execution(
            Json::encode($value->receipt),
            $this->output['stdout'],
            $this->output['stderr'],
            $this->node,
            $this->nonce,
        );
    }
}
