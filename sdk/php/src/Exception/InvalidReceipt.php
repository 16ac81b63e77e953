<?php

declare(strict_types=1);

namespace Plasm\Exception;

use Plasm\PlasmException;

/** Bytes that are not a receipt. */
final class InvalidReceipt extends PlasmException
{
    public static function because(string $message, string $hint = ''): self
    {
        return new self('invalid-receipt', $message, $hint);
    }
}
