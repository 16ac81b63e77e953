<?php

declare(strict_types=1);

namespace Plasm\Exception;

use Plasm\PlasmException;

/** No node answers at the control socket, or it went away before it had answered. */
final class NodeNotRunning extends PlasmException
{
    public static function because(string $message, string $hint = ''): self
    {
        return new self('node-not-running', $message, $hint);
    }
}
