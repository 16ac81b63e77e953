<?php

declare(strict_types=1);

namespace Plasm\Exception;

use Plasm\PlasmException;

/** The other side does not keep to the protocol. */
final class ProtocolViolation extends PlasmException
{
    public static function because(string $message, string $hint = ''): self
    {
        return new self('protocol-violation', $message, $hint);
    }
}
