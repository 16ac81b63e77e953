<?php

declare(strict_types=1);

namespace Plasm;

/** One comparison: what the receipt claimed and what was found; null where there is nothing. */
final readonly class Check implements \Stringable
{
    public function __construct(public string $name, public ?string $claimed, public ?string $found)
    {
    }

    public function matches(): bool
    {
        return $this->claimed === $this->found;
    }

    public function __toString(): string
    {
        return "{$this->name}: " . match (true) {
            $this->matches() => 'matches',
            $this->claimed === null => 'DIFFERS: the receipt says nothing of it',
            $this->found === null => "DIFFERS: the receipt says {$this->claimed}, nothing was given",
            default => "DIFFERS: the receipt says {$this->claimed}, found {$this->found}",
        };
    }
}
