<?php

declare(strict_types=1);

namespace Plasm;

/** What text is, without the extension mbstring. */
final class Text
{
    private const MAX_SHOWN = 80;

    public static function isUtf8(string $bytes): bool
    {
        return preg_match('//u', $bytes) === 1;
    }

    /** Whether all of it can be shown on a terminal as it is: no control, no format character, no space but ' '. */
    public static function isPrintable(string $text, int $maxCharacters): bool
    {
        // The pattern never backtracks; the count comes first, for bytes are never fewer than characters.
        return strlen($text) <= 4 * $maxCharacters
            && preg_match('/\A[^\p{C}\p{Z}]{1,' . $maxCharacters . '}+\z/u', str_replace(' ', '_', $text)) === 1;
    }

    /** A value as it can stand in a message: in ASCII, and not too long. */
    public static function shown(mixed $value): string
    {
        $shown = match (true) {
            is_array($value) => 'an array',
            is_object($value) => 'an object',
            default => json_encode($value, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE),
        };

        return strlen($shown) <= self::MAX_SHOWN ? $shown : substr($shown, 0, self::MAX_SHOWN) . '...';
    }
}
