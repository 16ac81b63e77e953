<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** Sizes and durations as people write them: `64MiB`, `1.5s`.  Inside they are whole bytes and milliseconds. */
final class Quantity
{
    private const SIZES = [
        '' => 1, 'B' => 1, 'kB' => 10 ** 3, 'MB' => 10 ** 6, 'GB' => 10 ** 9,
        'KiB' => 2 ** 10, 'MiB' => 2 ** 20, 'GiB' => 2 ** 30,
    ];
    private const DURATIONS = ['ms' => 1, 's' => 1_000, 'm' => 60_000, 'h' => 3_600_000];

    /** Bytes; a bare number is bytes. */
    public static function size(int|string $quantity): int
    {
        return is_int($quantity) ? $quantity : self::parse($quantity, self::SIZES, 'size', '64MiB');
    }

    /** Milliseconds, which an integer is; text needs a unit. */
    public static function duration(int|string $quantity): int
    {
        return is_int($quantity) ? $quantity : self::parse($quantity, self::DURATIONS, 'duration', '2s');
    }

    /** @param array<string, int> $units */
    private static function parse(string $text, array $units, string $what, string $example): int
    {
        $found = preg_match('/\A([0-9]{1,16})(?:\.([0-9]{1,9}))?\s*([A-Za-z]*)\z/', trim($text), $match) === 1;
        if (!$found || !isset($units[$match[3]])) {
            $known = implode(', ', array_filter(array_keys($units)));
            throw InvalidInput::because(
                Text::shown($text) . " is not a {$what}",
                "write it like {$example}; units: {$known}",
            );
        }
        $factor = $units[$match[3]];
        $fraction = (int) $match[2] * $factor;
        $denominator = 10 ** strlen($match[2]);
        $whole = (int) $match[1] * $factor;
        if ($fraction % $denominator !== 0) {
            throw InvalidInput::because(Text::shown($text) . " is finer than a {$what} can be");
        }
        if (!is_int($whole)) {
            throw InvalidInput::because(Text::shown($text) . ' is too much');
        }

        return $whole + intdiv($fraction, $denominator);
    }
}
