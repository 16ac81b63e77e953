<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/**
 * A folder of this machine, and the name under which a job sees it.
 *
 *     new Folder('/srv/photos', '/data', readOnly: true)
 */
final readonly class Folder
{
    public Mount $mount;

    public function __construct(public string $host, string $guest, bool $readOnly = false)
    {
        $this->mount = new Mount($guest, $readOnly);
        if (!is_dir($host)) {
            throw InvalidInput::because('there is no folder ' . Text::shown($host));
        }
        if (str_contains($guest, ':')) {
            throw InvalidInput::because("the guest path {$guest} cannot have a colon");
        }
    }
}
