<?php

declare(strict_types=1);

namespace Plasm;

/** What a job gave, and the receipt of it, which was verified and is about this very job. */
final readonly class Result
{
    /** How the job ended. */
    public Outcome $outcome;

    /** @param string $envelope the receipt as JSON: what to keep and to hand on */
    public function __construct(
        public string $stdout,
        public string $stderr,
        public Receipt $receipt,
        public string $envelope,
    ) {
        $this->outcome = $receipt->outcome;
    }

    /** Whether the job exited with code 0. */
    public function succeeded(): bool
    {
        return $this->outcome->succeeded();
    }
}
