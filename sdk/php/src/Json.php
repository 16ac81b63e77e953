<?php

declare(strict_types=1);

namespace Plasm;

/** JSON as we write it: UTF-8, no spaces, nothing escaped that need not be. */
final class Json
{
    /** @throws \JsonException where a text is not UTF-8 */
    public static function encode(mixed $document): string
    {
        return json_encode(
            $document,
            JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS | JSON_THROW_ON_ERROR,
        );
    }
}
