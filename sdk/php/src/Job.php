<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/**
 * A module, its manifest, and what is bound to it on this machine: input and folders.
 *
 *     Job::of('csvstats.wasm', ['--json'], stdin: Input::file('table.csv'), limits: new Limits(memory: '64MiB'))
 */
final readonly class Job
{
    /** @param list<Folder> $folders one for each mount of the manifest */
    public function __construct(
        public Module $module,
        public Manifest $manifest,
        public ?Input $stdin = null,
        public array $folders = [],
    ) {
        if ($manifest->module !== $module->digest) {
            throw InvalidInput::because("the manifest is of the module {$manifest->module}, not {$module->digest}");
        }
        $bound = array_map(fn (Folder $folder) => $folder->mount, $folders);
        usort($bound, fn (Mount $one, Mount $other) => strcmp($one->guest, $other->guest));
        if ($bound != $manifest->mounts) {
            throw InvalidInput::because('the folders given are not those that the manifest mounts');
        }
    }

    /**
     * A job in one call.
     *
     * @param string|Module $module a path, or the module itself
     * @param list<string> $args
     * @param string|Input|null $stdin the bytes, or an input
     * @param array<array-key, string> $env
     * @param list<Folder> $folders
     */
    public static function of(
        string|Module $module,
        array $args = [],
        string|Input|null $stdin = null,
        array $env = [],
        array $folders = [],
        Limits $limits = new Limits(),
        ?string $runtime = null,
        bool $deterministic = false,
        int $clock = 0,
        int $seed = 0,
    ): self {
        $module = is_string($module) ? Module::fromFile($module) : $module;
        $manifest = new Manifest(
            $module->digest,
            $args,
            $env,
            array_map(fn (Folder $folder) => $folder->mount, $folders),
            $limits,
            $runtime,
            $deterministic,
            $clock,
            $seed,
        );

        return new self($module, $manifest, is_string($stdin) ? Input::bytes($stdin) : $stdin, $folders);
    }

    /** SHA-256 of the first `$size` bytes of its input, which may be none; null where there are not so many. */
    public function stdinDigest(int $size): ?string
    {
        return ($this->stdin ?? Input::bytes(''))->digest($size);
    }
}
