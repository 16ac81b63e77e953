<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Input;
use Plasm\PlasmException;

/** The one place where processes start: a command by its list of arguments, without a shell, to its end. */
final class Process
{
    private const READ_BYTES = 2 ** 16;
    private const GRACE_SECONDS = 5.0;

    /**
     * What the command wrote to stdout and stderr, and its exit status.
     *
     * All three streams move at the same time, so that none of them can keep the others waiting.
     *
     * @param list<string> $command
     * @param ?array<string, string> $environment null for our own
     * @return array{string, string, int}
     */
    public static function run(array $command, ?Input $input, ?array $environment = null): array
    {
        $stdin = match (true) {
            $input === null => ['file', '/dev/null', 'r'],
            $input->path !== null => ['file', $input->path, 'r'],
            default => ['pipe', 'r'],
        };
        $pipes = [];
        $process = @proc_open($command, [$stdin, ['pipe', 'w'], ['pipe', 'w']], $pipes, null, $environment);
        if (!is_resource($process)) {
            throw new PlasmException('internal-error', 'cannot start ' . $command[0]);
        }
        try {
            [$stdout, $stderr] = self::converse($pipes, isset($pipes[0]) ? $input?->parts() : null);
            $status = proc_close($process);

            return [$stdout, $stderr, $status];
        } finally {
            self::end($process, $pipes);
        }
    }

    /**
     * @param array<int, resource> $pipes
     * @param ?\Generator<int, string> $input
     * @return array{string, string}
     */
    private static function converse(array &$pipes, ?\Generator $input): array
    {
        $output = [1 => '', 2 => ''];
        array_map(fn ($pipe) => stream_set_blocking($pipe, false), $pipes);
        $unsent = '';
        while (isset($pipes[1]) || isset($pipes[2])) {
            if (isset($pipes[0]) && $unsent === '') {
                if ($input === null || !$input->valid()) {
                    self::close($pipes, 0);
                } else {
                    $unsent = $input->current();
                    $input->next();
                }
            }
            [$readable, $writable] = Ready::of(
                array_values(array_intersect_key($pipes, $output)),
                array_values(array_intersect_key($pipes, [0 => true])),
            );
            foreach ($writable as $pipe) {
                $count = @fwrite($pipe, $unsent);
                if ($count === false) {
                    self::close($pipes, 0); // the job has ended without reading all of it
                } else {
                    $unsent = substr($unsent, $count);
                }
            }
            foreach ($readable as $pipe) {
                $number = (int) array_search($pipe, $pipes, true);
                $output[$number] .= fread($pipe, self::READ_BYTES);
                if (feof($pipe)) {
                    self::close($pipes, $number);
                }
            }
        }
        self::close($pipes, 0);

        return array_values($output);
    }

    /** @param array<int, resource> $pipes */
    private static function close(array &$pipes, int $number): void
    {
        if (isset($pipes[$number])) {
            fclose($pipes[$number]);
            unset($pipes[$number]);
        }
    }

    /**
     * After an exception: ask the command to end, and end it when it does not.
     *
     * @param resource $process
     * @param array<int, resource> $pipes
     */
    private static function end($process, array $pipes): void
    {
        array_map(fclose(...), $pipes);
        if (!is_resource($process)) {
            return;
        }
        proc_terminate($process);
        $deadline = microtime(true) + self::GRACE_SECONDS;
        while (proc_get_status($process)['running'] && microtime(true) < $deadline) {
            usleep(10_000);
        }
        if (proc_get_status($process)['running']) {
            proc_terminate($process, 9);
        }
        proc_close($process);
    }
}
