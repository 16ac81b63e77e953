<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Exception\InvalidInput;
use Plasm\Exception\ProtocolViolation;
use Plasm\Job;
use Plasm\Json;
use Plasm\PlasmException;
use Plasm\Transport;

/**
 * Talks to the node of this machine through its control socket; see docs/control.md.
 *
 *     $node = new SocketTransport();
 *     $node->status()['version'];
 *     (new Client($node))->run($job);                         // on the node itself
 *     (new Client($node->onPeers(attempts: 3)))->run($job);   // on a peer that it finds
 *
 * A node lets in nobody but the user that it runs as, and root.
 */
final class SocketTransport implements Transport
{
    public readonly string $path;
    /** @var array<string, mixed> what a request to run a job says beside the job */
    private array $asked = ['do' => 'run'];

    /**
     * @param ?string $path of the socket; null for where nodes have it
     * @param ?float $patience how many seconds the node may be silent, even while a job runs; null waits for ever
     */
    public function __construct(?string $path = null, private readonly ?float $patience = null)
    {
        $this->path = $path ?? self::usualPath();
    }

    /**
     * The same node, which has jobs run by peers that it finds.
     *
     * @param list<string> $peers addresses of peers to ask; none leaves it to discovery
     * @param list<string> $discovery plugins to find peers by; none leaves it to the node
     * @param ?int $attempts how many peers to try when one fails
     * @param ?float $seconds how long to look for peers
     */
    public function onPeers(
        Requirements $require = new Requirements(),
        array $peers = [],
        array $discovery = [],
        ?int $attempts = null,
        ?float $seconds = null,
    ): self {
        $asked = [
            'require' => $require->document(),
            'peers' => $peers,
            'discovery' => $discovery,
            'attempts' => $attempts,
            'seconds' => $seconds,
        ];

        $other = clone $this;
        $other->asked = ['do' => 'submit', ...array_filter($asked, fn ($value) => $value !== [] && $value !== null)];

        return $other;
    }

    public function run(Job $job, ?callable $onOutput = null): Execution
    {
        if ($job->folders !== []) {
            throw InvalidInput::because('a job with folders cannot be sent to a node', 'pass its input on stdin');
        }
        $connection = new Connection($this->path, $this->patience);
        try {
            return (new Exchange($connection, $job, $onOutput))->run($this->asked);
        } finally {
            $connection->close();
        }
    }

    /**
     * What the node says of itself.
     *
     * @return array<string, mixed>
     */
    public function status(): array
    {
        return $this->list('status');
    }

    /**
     * The receipts that the node has, newest first.
     *
     * @return list<array<string, mixed>>
     */
    public function receipts(int $limit = 100): array
    {
        return array_values($this->list('receipts', ['limit' => $limit]));
    }

    /** The receipt of a job, as JSON; verify it with {@see \Plasm\Receipt::verify}. */
    public function receipt(string $job): string
    {
        return Json::encode($this->ask('receipt', ['job' => $job]));
    }

    /**
     * The result of any request that is not about running a job; objects as `stdClass`.
     *
     * @param array<string, mixed> $fields
     */
    public function ask(string $do, array $fields = []): mixed
    {
        $connection = new Connection($this->path, $this->patience);
        try {
            $connection->send(Exchange::one(['request' => ['do' => $do, ...$fields]]));
            [$key, $value] = $connection->receive();
            $rows = [];
            while ($key === 'rows' && is_array($value)) {
                array_push($rows, ...$value);
                [$key, $value] = $connection->receive();
            }

            return match ($key) {
                'result' => is_array($value) ? [...$rows, ...$value] : $value,
                'error' => throw self::error($value),
                default => throw ProtocolViolation::because("the node answers {$do} with {$key}"),
            };
        } finally {
            $connection->close();
        }
    }

    /** The exception that the value of an `error` stands for. */
    public static function error(mixed $error): PlasmException
    {
        return is_string($error->code ?? null) && is_string($error->message ?? null)
            ? PlasmException::of($error->code, $error->message, (string) ($error->hint ?? ''))
            : ProtocolViolation::because('the node sends an error that cannot be read');
    }

    /**
     * @param array<string, mixed> $fields
     * @return array<array-key, mixed>
     */
    private function list(string $do, array $fields = []): array
    {
        $result = json_decode(Json::encode($this->ask($do, $fields)), true);

        return is_array($result) ? $result : throw ProtocolViolation::because("the node answers {$do} with no list");
    }

    private static function usualPath(): string
    {
        $home = getenv('PLASM_HOME');
        if (is_string($home) && $home !== '') {
            return "{$home}/run/control.sock";
        }
        $own = getenv('XDG_RUNTIME_DIR') ?: '/nowhere';

        return file_exists("{$own}/plasm/control.sock") ? "{$own}/plasm/control.sock" : '/run/plasm/control.sock';
    }
}
