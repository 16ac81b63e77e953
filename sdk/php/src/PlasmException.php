<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;
use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\NodeNotRunning;
use Plasm\Exception\ProtocolViolation;
use Plasm\Exception\VerificationFailed;

/**
 * Everything that goes wrong, in PHP or on the other side: what was wrong, what to do next, and a stable code.
 *
 * The codes are those of docs/errors.md.  A code that has no class of its own comes as this class.  A job that ran is
 * never an exception, whatever it did: its outcome is in the result.
 */
class PlasmException extends \Exception
{
    final public function __construct(
        public readonly string $errorCode,
        string $message,
        public readonly string $hint = '',
        ?\Throwable $previous = null,
    ) {
        parent::__construct($message, 0, $previous);
    }

    /** The exception for what `plasm` or a node says went wrong, in the class of its code. */
    public static function of(string $code, string $message, string $hint = ''): self
    {
        $class = match ($code) {
            'invalid-input', 'invalid-manifest', 'invalid-module', 'unsupported-import', 'unreadable-input'
                => InvalidInput::class,
            'invalid-receipt' => InvalidReceipt::class,
            'verification-failed', 'peer-lied' => VerificationFailed::class,
            'node-not-running' => NodeNotRunning::class,
            'protocol-violation' => ProtocolViolation::class,
            default => self::class,
        };

        return new $class($code, $message, $hint);
    }

    /** One line for a person. */
    public function sentence(): string
    {
        $hint = $this->hint === '' ? '' : " ({$this->hint})";

        return "error[{$this->errorCode}]: {$this->getMessage()}{$hint}";
    }
}
