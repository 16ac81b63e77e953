<?php

declare(strict_types=1);

namespace Plasm\Receipt;

/** Moments in UTC: microseconds since the Unix epoch, with one text for each, like `2025-01-31T12:00:00.000000Z`. */
final class Moment
{
    private const PATTERN = '/\A([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{6})Z\z/';

    /** Null for any other text, for a day that does not exist, for a leap second, and before 1970. */
    public static function parse(string $text): ?int
    {
        if (preg_match(self::PATTERN, $text, $match) !== 1) {
            return null;
        }
        [, $year, $month, $day, $hour, $minute, $second, $fraction] = array_map(intval(...), $match);
        if ($year < 1970 || !checkdate($month, $day, $year) || $hour > 23 || $minute > 59 || $second > 59) {
            return null;
        }

        return gmmktime($hour, $minute, $second, $month, $day, $year) * 1_000_000 + $fraction;
    }

    public static function format(int $microseconds): string
    {
        return gmdate('Y-m-d\TH:i:s', intdiv($microseconds, 1_000_000))
            . sprintf('.%06dZ', $microseconds % 1_000_000);
    }
}
