<?php

declare(strict_types=1);

namespace Plasm;

/** The ways in which an execution can end. */
enum OutcomeKind: string
{
    case Exited = 'exited';
    case Trapped = 'trapped';
    case TimedOut = 'timed-out';
    case OutOfMemory = 'out-of-memory';
    case OutOfFuel = 'out-of-fuel';
    case OutOfCpuTime = 'out-of-cpu-time';
    case OutputLimit = 'output-limit';
    case FileLimit = 'file-limit';
    case Cancelled = 'cancelled';
    case Crashed = 'crashed';

    /** As it reads after "the job". */
    public function sentence(): string
    {
        return match ($this) {
            self::TimedOut => 'timed out',
            self::OutOfMemory => 'ran out of memory',
            self::OutOfFuel => 'ran out of fuel',
            self::OutOfCpuTime => 'ran out of processor time',
            self::OutputLimit => 'wrote more than its output limit',
            self::FileLimit => 'wrote more to files than its limit',
            default => $this->value,
        };
    }
}
