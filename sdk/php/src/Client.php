<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\Transport\Execution;
use Plasm\Transport\LocalTransport;
use Plasm\Transport\SocketTransport;

/**
 * Runs jobs and believes nothing that does not verify.
 *
 * A result is given out only if its receipt holds, was signed by the node that is said to have run the job (and by
 * `$signer`, where one is given), and names this manifest, this module, this input, the output that came, and the nonce
 * that was sent with the job, where the transport sends one.
 */
final readonly class Client
{
    public function __construct(private Transport $transport, private ?PeerId $signer = null)
    {
    }

    /** Jobs run with the `plasm` command on this machine. */
    public static function local(string $plasm = 'plasm', ?PeerId $signer = null): self
    {
        return new self(new LocalTransport($plasm), $signer);
    }

    /** Jobs run on the node of this machine. */
    public static function node(?string $socket = null, ?PeerId $signer = null): self
    {
        return new self(new SocketTransport($socket), $signer);
    }

    /**
     * Run the job to its end.
     *
     * @param ?callable(string $stream, string $bytes): void $onOutput called with output as it comes, before it is
     *     verified
     * @throws VerificationFailed the result does not verify; the output is not to be relied on
     * @throws PlasmException the job could not be run; one that ran and failed is a result like any other
     */
    public function run(Job $job, ?callable $onOutput = null): Result
    {
        $execution = $this->transport->run($job, $onOutput);
        try {
            $receipt = Receipt::verify($execution->envelope);
        } catch (InvalidReceipt $error) {
            throw VerificationFailed::because($error->getMessage(), 'do not rely on the output');
        }
        $this->compare($receipt, $job, $execution);

        return new Result($execution->stdout, $execution->stderr, $receipt, $execution->envelope);
    }

    private function compare(Receipt $receipt, Job $job, Execution $execution): void
    {
        $stdin = $job->stdinDigest($receipt->stdinSize);
        if ($stdin === null || $receipt->moduleSize !== $job->module->size()) {
            throw VerificationFailed::because('the receipt is of another size of input or module');
        }
        $told = new Expectation(
            signer: $execution->node,
            manifest: $job->manifest->digest(),
            nonce: $execution->nonce,
            module: $job->module->digest,
            stdin: $stdin,
            subjects: ['stdout' => Crypto::sha256($execution->stdout), 'stderr' => Crypto::sha256($execution->stderr)],
            allSubjects: true,
        );
        $told->require($receipt);
        (new Expectation(signer: $this->signer))->require($receipt);
        if (!$receipt->limits->equals($job->manifest->limits)) {
            throw VerificationFailed::because('the receipt is of other limits');
        }
        if ($receipt->outcome->kind === OutcomeKind::Exited && $receipt->truncated !== []) {
            throw VerificationFailed::because('the receipt is of a job that exited and whose output was cut off');
        }
    }
}
