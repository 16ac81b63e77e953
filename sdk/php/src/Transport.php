<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Transport\Execution;

/** A way to have jobs run.  It believes what it is told; {@see Client} is who verifies. */
interface Transport
{
    /**
     * Run the job to its end.
     *
     * @param ?callable(string $stream, string $bytes): void $onOutput called with output as it comes, which nobody has
     *     verified yet; what it throws ends the job
     * @throws PlasmException it could not be run; a job that ran and failed is a result like any other
     */
    public function run(Job $job, ?callable $onOutput = null): Execution;
}
