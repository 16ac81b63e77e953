<?php

declare(strict_types=1);

/** Says of each thing whether it is so, and remembers whether all were. */
final class Checks
{
    private int $failed = 0;

    public function that(string $what, bool $holds): void
    {
        $this->failed += $holds ? 0 : 1;
        echo $holds ? '  ok      ' : '  FAILED  ', $what, "\n";
    }

    /** Whether what is done ends with this error code. */
    public function refused(string $what, string $code, callable $do): void
    {
        try {
            $do();
            $this->that("{$what}: was not refused", false);
        } catch (\Plasm\PlasmException $error) {
            $this->that("{$what}: {$error->getMessage()}", $error->errorCode === $code);
        }
    }

    /** The exit status. */
    public function end(): int
    {
        echo $this->failed === 0 ? "\nall of it holds\n" : "\nnot so: {$this->failed}\n";

        return $this->failed === 0 ? 0 : 1;
    }
}
