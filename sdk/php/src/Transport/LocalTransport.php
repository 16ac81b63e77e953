<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Exception\InvalidInput;
use Plasm\Exception\ProtocolViolation;
use Plasm\Folder;
use Plasm\Job;
use Plasm\Json;
use Plasm\PeerId;
use Plasm\PlasmException;
use Plasm\Text;
use Plasm\Transport;

/**
 * Runs each job with the `plasm` command on this machine; the receipt is signed with the key of whoever we run as.
 *
 * The output comes when the job has ended, all of it, and is held in memory.
 */
final readonly class LocalTransport implements Transport
{
    private string $command;

    /**
     * @param string $plasm a path of the command, or a name that is looked for on PATH
     * @param ?array<string, string> $environment of the command; null for our own.  The job never gets it.
     */
    public function __construct(string $plasm = 'plasm', private ?array $environment = null)
    {
        $this->command = self::find($plasm);
    }

    public function run(Job $job, ?callable $onOutput = null): Execution
    {
        $folder = new TemporaryFolder();
        try {
            $command = [
                $this->command,
                'run',
                $folder->write('job.wasm', $job->module->bytes),
                '--manifest=' . $folder->write('job.json', $job->manifest->canonical()),
                ...array_map(self::dirOption(...), $job->folders),
                '--json',
                '--receipt-format',
                'v1',
                '--quiet',
            ];
            [$stdout, $stderr, $status] = Process::run($command, $job->stdin, $this->environment);
        } finally {
            $folder->remove();
        }
        $execution = self::read($stdout, $stderr, $status);
        foreach ($onOutput === null ? [] : ['stdout', 'stderr'] as $stream) {
            if ($execution->$stream !== '') {
                $onOutput($stream, $execution->$stream);
            }
        }

        return $execution;
    }

    private static function dirOption(Folder $folder): string
    {
        $mode = $folder->mount->readOnly ? ':ro' : '';

        return "--dir={$folder->host}:{$folder->mount->guest}{$mode}";
    }

    private static function find(string $plasm): string
    {
        $folders = str_contains($plasm, '/') ? [''] : explode(':', getenv('PATH') ?: '/usr/local/bin:/usr/bin:/bin');
        foreach ($folders as $folder) {
            $path = $folder === '' ? $plasm : "{$folder}/{$plasm}";
            if (is_file($path) && is_executable($path)) {
                return $path;
            }
        }
        throw InvalidInput::because(
            'there is no command ' . Text::shown($plasm),
            'install Plasm, or give the path of the command to LocalTransport',
        );
    }

    /** What the command told in its JSON document. */
    private static function read(string $stdout, string $stderr, int $status): Execution
    {
        $document = json_decode($stdout);
        $error = $document->error ?? null;
        if (is_string($error->code ?? null) && is_string($error->message ?? null)) {
            throw PlasmException::of($error->code, $error->message, (string) ($error->hint ?? ''));
        }
        if (!isset($document->receipt, $document->stdout, $document->stderr) || !is_string($document->node ?? null)) {
            $lines = explode("\n", trim($stderr));
            throw ProtocolViolation::because(
                "plasm ended with status {$status} and without a result that can be read: " . Text::shown(end($lines)),
                'is it a version of Plasm that this SDK knows?',
            );
        }

        return new Execution(
            Json::encode($document->receipt),
            self::bytes($document->stdout),
            self::bytes($document->stderr),
            PeerId::parse($document->node),
            null,
        );
    }

    private static function bytes(mixed $output): string
    {
        $bytes = $output->text ?? base64_decode($output->base64 ?? '', true);

        return is_string($bytes) ? $bytes : throw ProtocolViolation::because('plasm tells output that cannot be read');
    }
}
