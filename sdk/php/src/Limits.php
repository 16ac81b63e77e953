<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/**
 * What a job may use at most.
 *
 *     new Limits(memory: '64MiB', wallTime: '2s')
 */
final readonly class Limits
{
    /** Of linear memory, in bytes. */
    public int $memory;
    /** From start to end, in milliseconds. */
    public int $wallTime;
    /** Of all its threads, in milliseconds. */
    public ?int $cpuTime;
    /** Bytes on stdout and stderr together. */
    public int $output;
    /** Bytes written to files, in one and altogether. */
    public int $files;

    /** @param ?int $fuel units of work as the runtime counts them */
    public function __construct(
        int|string $memory = 2 ** 30,
        public ?int $fuel = null,
        int|string $wallTime = 300_000,
        int|string|null $cpuTime = null,
        int|string $output = 64 * 2 ** 20,
        int|string $files = 2 ** 30,
    ) {
        $this->memory = self::within('memory', Quantity::size($memory), 2 ** 16, 2 ** 32);
        $this->wallTime = self::within('wallTime', Quantity::duration($wallTime), 1, 7 * 24 * 3_600_000);
        $this->output = self::within('output', Quantity::size($output), 0, 2 ** 40);
        $this->files = self::within('files', Quantity::size($files), 0, 2 ** 50);
        $this->cpuTime = $cpuTime === null
            ? null
            : self::within('cpuTime', Quantity::duration($cpuTime), 1, 7 * 24 * 3_600_000);
        if ($fuel !== null) {
            self::within('fuel', $fuel, 1, 2 ** 53 - 1);
        }
    }

    public function equals(self $other): bool
    {
        return get_object_vars($this) === get_object_vars($other);
    }

    private static function within(string $name, int $value, int $low, int $high): int
    {
        if ($value < $low || $value > $high) {
            throw InvalidInput::because("limit {$name} = {$value} is out of range", "from {$low} to {$high}");
        }

        return $value;
    }
}
