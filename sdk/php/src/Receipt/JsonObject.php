<?php

declare(strict_types=1);

namespace Plasm\Receipt;

/** A JSON object as it was read; a class of its own, so that `{}` and `[]` stay two things. */
final readonly class JsonObject
{
    /** @param array<array-key, mixed> $fields by name; PHP makes integers of names like "7" */
    public function __construct(public array $fields)
    {
    }
}
