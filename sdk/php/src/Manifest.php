<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/**
 * Everything that is fixed about a job before it runs, and nothing about the machine it runs on; see docs/manifest.md.
 *
 * A receipt refers to it by {@see digest}.
 */
final readonly class Manifest
{
    private const MAX_ARGUMENT_BYTES = 2 ** 20;
    private const MAX_CLOCK = 2 ** 33;
    private const MAX_SEED = 2 ** 53 - 1;

    /** @var list<Mount> in the order of their guest paths */
    public array $mounts;

    /**
     * @param string $module SHA-256 of the module's bytes, 64 hex digits
     * @param list<string> $args arguments after the program's name
     * @param array<array-key, string> $env variables by their names; nothing is inherited
     * @param list<Mount> $mounts
     * @param ?string $runtime the runtime that the job needs; null takes any
     * @param bool $deterministic whether clock and random numbers are always the same
     * @param int $clock what that clock starts from, in seconds since the Unix epoch
     * @param int $seed what those random numbers grow from
     */
    public function __construct(
        public string $module,
        public array $args = [],
        public array $env = [],
        array $mounts = [],
        public Limits $limits = new Limits(),
        public ?string $runtime = null,
        public bool $deterministic = false,
        public int $clock = 0,
        public int $seed = 0,
    ) {
        if (!Crypto::isSha256($module)) {
            throw InvalidInput::because(Text::shown($module) . ' is not a SHA-256 digest', '64 lower-case hex digits');
        }
        self::checkInvocation($args, $env);
        if ($runtime !== null) {
            self::checkText('runtime', $runtime);
        }
        usort($mounts, fn (Mount $one, Mount $other) => strcmp($one->guest, $other->guest));
        $this->mounts = $mounts;
        $guests = array_map(fn (Mount $mount) => $mount->guest, $mounts);
        if ($guests !== array_unique($guests)) {
            throw InvalidInput::because('a guest path is mounted twice');
        }
        $this->checkDeterminism();
    }

    /** SHA-256 of {@see canonical}. */
    public function digest(): string
    {
        return Crypto::sha256($this->canonical());
    }

    /** The bytes that the digest is taken over: JSON per RFC 8785 with every field written out. */
    public function canonical(): string
    {
        return Json::encode($this->document());
    }

    /** @return array<string, mixed> with sorted keys, down to the last object */
    public function document(): array
    {
        $env = $this->env;
        ksort($env, SORT_STRING);

        return [
            'clock' => $this->clock,
            'deterministic' => $this->deterministic,
            'invocation' => [
                'args' => $this->args,
                'env' => (object) $env,
                'mounts' => array_map(
                    fn (Mount $mount) => ['guest' => $mount->guest, 'read_only' => $mount->readOnly],
                    $this->mounts,
                ),
            ],
            'limits' => [
                'cpu_time' => $this->limits->cpuTime,
                'files' => $this->limits->files,
                'fuel' => $this->limits->fuel,
                'memory' => $this->limits->memory,
                'output' => $this->limits->output,
                'wall_time' => $this->limits->wallTime,
            ],
            'module' => $this->module,
            'runtime' => $this->runtime,
            'seed' => $this->seed,
        ];
    }

    /** Refuses text that WASI cannot carry. */
    public static function checkText(string $what, string $text): int
    {
        if (!Text::isUtf8($text)) {
            throw InvalidInput::because("{$what} is not UTF-8", 'pass binary data on stdin');
        }
        if (str_contains($text, "\0")) {
            throw InvalidInput::because("{$what} contains a NUL character");
        }

        return strlen($text);
    }

    /**
     * @param array<mixed> $args
     * @param array<mixed> $env
     */
    private static function checkInvocation(array $args, array $env): void
    {
        if (!array_is_list($args)) {
            throw InvalidInput::because('arguments are a list, without keys');
        }
        $total = 0;
        foreach ($args as $index => $argument) {
            $total += self::checkText('argument ' . ($index + 1), self::string($argument, 'argument ' . ($index + 1)));
        }
        foreach ($env as $name => $value) {
            $name = (string) $name;
            if (preg_match('/\A[!-<>-~]+\z/', $name) !== 1) {
                throw InvalidInput::because(
                    Text::shown($name) . ' is not a name for an environment variable',
                    "printable ASCII without '='",
                );
            }
            $what = "environment variable {$name}";
            $total += strlen($name) + self::checkText($what, self::string($value, $what));
        }
        if ($total > self::MAX_ARGUMENT_BYTES) {
            throw InvalidInput::because(
                "arguments and environment take {$total} bytes, more than " . self::MAX_ARGUMENT_BYTES,
                'pass large data on stdin',
            );
        }
    }

    private static function string(mixed $value, string $what): string
    {
        return is_string($value)
            ? $value
            : throw InvalidInput::because("{$what} must be text, not " . Text::shown($value));
    }

    private function checkDeterminism(): void
    {
        foreach (['clock' => self::MAX_CLOCK, 'seed' => self::MAX_SEED] as $name => $high) {
            $value = $this->$name;
            if ($value < 0 || $value > $high) {
                throw InvalidInput::because("{$name} = {$value} is out of range", "a whole number from 0 to {$high}");
            }
            if ($value !== 0 && !$this->deterministic) {
                throw InvalidInput::because('clock and seed are for deterministic jobs', 'add deterministic: true');
            }
        }
        if ($this->deterministic && $this->mounts !== []) {
            throw InvalidInput::because('a deterministic job cannot have mounts', 'pass its input on stdin');
        }
    }
}
