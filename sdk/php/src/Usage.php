<?php

declare(strict_types=1);

namespace Plasm;

/** What an execution used; null where nothing measured it. */
final readonly class Usage
{
    public function __construct(
        public int $wallTimeUs,
        public ?int $cpuTimeUs = null,
        public ?int $peakMemory = null,
        public ?int $fuel = null,
    ) {
    }
}
