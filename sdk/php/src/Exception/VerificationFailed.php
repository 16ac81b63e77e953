<?php

declare(strict_types=1);

namespace Plasm\Exception;

use Plasm\PlasmException;

/** A receipt that does not hold, or that does not speak of what it was compared with. */
final class VerificationFailed extends PlasmException
{
    public static function because(string $message, string $hint = ''): self
    {
        return new self('verification-failed', $message, $hint);
    }
}
