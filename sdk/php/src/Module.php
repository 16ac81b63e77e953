<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** A job's WebAssembly module: a WASI preview 1 command. */
final readonly class Module
{
    private const MAX_BYTES = 128 * 2 ** 20;

    /** SHA-256 of the bytes. */
    public string $digest;

    public function __construct(public string $bytes)
    {
        if (strlen($bytes) > self::MAX_BYTES) {
            throw InvalidInput::because('the module is larger than 128 MiB');
        }
        $this->digest = Crypto::sha256($bytes);
    }

    public static function fromFile(string $path): self
    {
        $bytes = is_file($path) ? @file_get_contents($path) : false;
        if ($bytes === false) {
            throw InvalidInput::because('the module ' . Text::shown($path) . ' cannot be read');
        }

        return new self($bytes);
    }

    public function size(): int
    {
        return strlen($this->bytes);
    }
}
