<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\PlasmException;

/** The one place that waits for streams. */
final class Ready
{
    /**
     * Those of the streams that can be read and written now; waits until there is one.
     *
     * @param list<resource> $read
     * @param list<resource> $write
     * @return array{list<resource>, list<resource>} both empty when the seconds are over or a signal came
     */
    public static function of(array $read, array $write, ?float $seconds = null): array
    {
        $except = null;
        $whole = $seconds === null ? null : (int) $seconds;
        $micros = $seconds === null ? null : (int) (fmod($seconds, 1) * 1e6);
        error_clear_last();
        if (@stream_select($read, $write, $except, $whole, $micros) !== false) {
            return [array_values($read), array_values($write)];
        }
        $reason = error_get_last()['message'] ?? '';
        if (str_contains($reason, 'Interrupted')) {
            return [[], []];
        }
        throw new PlasmException('internal-error', "cannot wait for streams: {$reason}");
    }
}
