<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** A folder that a job expects, by the name it has inside the sandbox. */
final readonly class Mount
{
    public function __construct(public string $guest, public bool $readOnly = false)
    {
        if (!str_starts_with($guest, '/') || in_array('..', explode('/', $guest), true)) {
            throw InvalidInput::because(Text::shown($guest) . ' is not an absolute guest path', 'write it like /data');
        }
        Manifest::checkText('mount', $guest);
    }
}
