<?php

declare(strict_types=1);

namespace Plasm\Tests\World;

use Plasm\Json;
use Plasm\Limits;
use Plasm\Manifest;
use Plasm\Mount;

/**
 * What a node says of a job, as fake nodes and fake commands say it: a receipt that is true, or with a lie in it.
 */
final class Claims
{
    /**
     * The manifest that its JSON describes, with every field written out.
     *
     * @param array<string, mixed> $fields
     */
    public static function manifest(array $fields): Manifest
    {
        [$invocation, $limits] = [$fields['invocation'], $fields['limits']];

        return new Manifest(
            $fields['module'],
            $invocation['args'],
            $invocation['env'],
            array_map(fn (array $mount) => new Mount($mount['guest'], $mount['read_only']), $invocation['mounts']),
            new Limits(
                $limits['memory'],
                $limits['fuel'],
                $limits['wall_time'],
                $limits['cpu_time'],
                $limits['output'],
                $limits['files'],
            ),
            $fields['runtime'],
            $fields['deterministic'],
            $fields['clock'],
            $fields['seed'],
        );
    }

    /**
     * The envelope for a job that exited with code 0.
     *
     * @param array<string, mixed> $lies put over the predicate, field by field
     */
    public static function receipt(
        Signer $signer,
        Manifest $manifest,
        int $moduleSize,
        string $stdin,
        string $stdout,
        string $stderr = '',
        ?string $nonce = null,
        array $lies = [],
    ): string {
        $digest = fn (string $bytes) => ['digest' => ['sha256' => hash('sha256', $bytes)]];
        $limits = $manifest->limits;
        $predicate = [
            'job' => [
                'id' => bin2hex(random_bytes(16)),
                'manifest' => ['digest' => ['sha256' => $manifest->digest()]],
                'nonce' => $nonce ?? bin2hex(random_bytes(32)),
            ],
            'module' => ['digest' => ['sha256' => $manifest->module], 'size' => $moduleSize],
            'stdin' => [...$digest($stdin), 'size' => strlen($stdin)],
            'outcome' => ['kind' => 'exited', 'exitCode' => 0],
            'usage' => ['wallTimeUs' => 300],
            'limits' => array_filter([
                'memory' => $limits->memory,
                'fuel' => $limits->fuel,
                'wallTimeMs' => $limits->wallTime,
                'cpuTimeMs' => $limits->cpuTime,
                'output' => $limits->output,
                'files' => $limits->files,
            ], is_int(...)),
            'runtime' => ['name' => 'wasmtime', 'version' => '50.0.1'],
            'platform' => ['arch' => 'x86_64'],
            'node' => ['peerId' => (string) $signer->peer],
            'startedOn' => '2026-01-31T12:00:00.000000Z',
            'finishedOn' => '2026-01-31T12:00:00.000300Z',
            'truncated' => [],
        ];

        return $signer->envelope(Json::encode([
            '_type' => 'https://in-toto.io/Statement/v1',
            'predicateType' => 'https://plasm.dev/receipt/v1',
            'subject' => [['name' => 'stdout', ...$digest($stdout)], ['name' => 'stderr', ...$digest($stderr)]],
            'predicate' => array_replace_recursive($predicate, $lies),
        ]));
    }
}
