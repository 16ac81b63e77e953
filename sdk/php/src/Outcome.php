<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** How one execution ended; there is an exit code when it exited and a trap when it trapped. */
final readonly class Outcome implements \Stringable
{
    public function __construct(
        public OutcomeKind $kind,
        public ?int $exitCode = null,
        public ?TrapKind $trap = null,
    ) {
        if (($exitCode !== null) !== ($kind === OutcomeKind::Exited)) {
            throw InvalidInput::because("an exit code does not go with the outcome {$kind->value}");
        }
        if (($trap !== null) !== ($kind === OutcomeKind::Trapped)) {
            throw InvalidInput::because("a trap does not go with the outcome {$kind->value}");
        }
        if ($exitCode !== null && ($exitCode < 0 || $exitCode >= 2 ** 32)) {
            throw InvalidInput::because("the exit code {$exitCode} is not an unsigned 32-bit number");
        }
    }

    public function succeeded(): bool
    {
        return $this->exitCode === 0;
    }

    public function __toString(): string
    {
        return match (true) {
            $this->exitCode !== null => "exited with code {$this->exitCode}",
            $this->trap !== null => "trapped: {$this->trap->value}",
            default => $this->kind->sentence(),
        };
    }
}
