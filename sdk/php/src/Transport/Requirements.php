<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\Quantity;

/** What a peer must have to be given a job. */
final readonly class Requirements
{
    /** In bytes. */
    public ?int $memory;

    public function __construct(
        public ?string $arch = null,
        public ?string $runtime = null,
        int|string|null $memory = null,
    ) {
        $this->memory = $memory === null ? null : Quantity::size($memory);
    }

    /** @return array<string, int|string> */
    public function document(): array
    {
        return array_filter(get_object_vars($this), fn ($value) => $value !== null);
    }
}
