<?php

declare(strict_types=1);

namespace Plasm\Transport;

use Plasm\PlasmException;

/** A folder that nobody else may enter, for files that a command is given by name. */
final class TemporaryFolder
{
    private readonly string $path;

    public function __construct()
    {
        $this->path = sys_get_temp_dir() . '/plasm-' . bin2hex(random_bytes(8));
        if (!@mkdir($this->path, 0700)) {
            throw new PlasmException('unwritable-output', 'no folder can be made in ' . sys_get_temp_dir());
        }
    }

    /** The path of a file with that content. */
    public function write(string $name, string $content): string
    {
        $path = "{$this->path}/{$name}";
        if (@file_put_contents($path, $content) !== strlen($content)) {
            throw new PlasmException('unwritable-output', "{$path} cannot be written");
        }

        return $path;
    }

    public function remove(): void
    {
        array_map(unlink(...), glob("{$this->path}/*") ?: []);
        @rmdir($this->path);
    }
}
