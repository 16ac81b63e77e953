<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** What a job reads on stdin: bytes, or a file that is never read into memory at once. */
final readonly class Input
{
    private const PART_BYTES = 2 ** 18;

    private function __construct(public ?string $path, private string $bytes)
    {
    }

    public static function bytes(string $bytes): self
    {
        return new self(null, $bytes);
    }

    /** The file at the path; it must not change before the job has ended. */
    public static function file(string $path): self
    {
        if (!is_file($path) || !is_readable($path)) {
            throw InvalidInput::because('the input ' . Text::shown($path) . ' cannot be read');
        }

        return new self($path, '');
    }

    /**
     * All of it, in parts.
     *
     * @return \Generator<int, string>
     */
    public function parts(): \Generator
    {
        if ($this->path === null) {
            for ($start = 0; $start < strlen($this->bytes); $start += self::PART_BYTES) {
                yield substr($this->bytes, $start, self::PART_BYTES);
            }

            return;
        }
        $file = @fopen($this->path, 'rb');
        if ($file === false) {
            throw InvalidInput::because('the input ' . Text::shown($this->path) . ' cannot be read');
        }
        try {
            while (($part = fread($file, self::PART_BYTES)) !== false && $part !== '') {
                yield $part;
            }
        } finally {
            fclose($file);
        }
    }

    /** SHA-256 of the first `$size` bytes; null where there are not so many. */
    public function digest(int $size): ?string
    {
        $hash = hash_init('sha256');
        foreach ($size === 0 ? [] : $this->parts() as $part) {
            $part = substr($part, 0, $size);
            hash_update($hash, $part);
            $size -= strlen($part);
            if ($size === 0) {
                break;
            }
        }

        return $size === 0 ? hash_final($hash) : null;
    }
}
