<?php

declare(strict_types=1);

namespace Plasm\Exception;

use Plasm\PlasmException;

/** A value that cannot be used: an argument, a limit, a module, a file that cannot be read. */
final class InvalidInput extends PlasmException
{
    public static function because(string $message, string $hint = ''): self
    {
        return new self('invalid-input', $message, $hint);
    }
}
