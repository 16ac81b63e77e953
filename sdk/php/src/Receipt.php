<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\Receipt\Envelope;
use Plasm\Receipt\JsonObject;
use Plasm\Receipt\JsonReader;
use Plasm\Receipt\Statement;

/**
 * What a node claims about one execution, in a receipt that holds.
 *
 * A receipt holds ({@see verify}) if
 *
 * 1. it is a DSSE envelope with exactly one signature and nothing more;
 * 2. that signature was made by the key inside the peer id that is its `keyid`;
 * 3. it is over a statement with no field missing or unknown;
 * 4. the statement names as its node the very peer that signed.
 *
 * This shows who claims it, not that it is about your job: for that, compare it with an {@see Expectation}.
 */
final readonly class Receipt
{
    /**
     * @param array<string, string> $subjects SHA-256 of each output by its name: stdout, stderr, absolute paths
     * @param string $jobId 32 hex digits
     * @param string $manifest digest of the job's manifest
     * @param string $nonce 64 hex digits that the client chose
     * @param string $module digest of the module's bytes
     * @param string $stdin digest of the first $stdinSize bytes of the input
     * @param PeerId $node the node that ran the job and signed
     * @param int $startedUs by the node's clock, microseconds since the Unix epoch
     * @param int $finishedUs by the node's clock, microseconds since the Unix epoch
     * @param list<string> $truncated the streams whose end was cut off
     */
    public function __construct(
        public array $subjects,
        public string $jobId,
        public string $manifest,
        public string $nonce,
        public string $module,
        public int $moduleSize,
        public string $stdin,
        public int $stdinSize,
        public Outcome $outcome,
        public Usage $usage,
        public Limits $limits,
        public string $runtimeName,
        public string $runtimeVersion,
        public string $arch,
        public PeerId $node,
        public int $startedUs,
        public int $finishedUs,
        public array $truncated,
    ) {
    }

    /**
     * The claims of a receipt that holds, of version 1 or 0.1: an object with a `version` is of the older protocol.
     *
     * @throws InvalidReceipt not a receipt
     * @throws VerificationFailed a receipt that does not hold
     */
    public static function read(string $data): self|LegacyReceipt
    {
        $document = JsonReader::read($data);

        return $document instanceof JsonObject && array_key_exists('version', $document->fields)
            ? LegacyReceipt::fromDocument($document)
            : self::fromDocument($document);
    }

    /**
     * The same for version 1 alone.
     *
     * @throws InvalidReceipt rule 1 or 3 is broken
     * @throws VerificationFailed rule 2 or 4 is broken
     */
    public static function verify(string $data): self
    {
        return self::fromDocument(JsonReader::read($data));
    }

    private static function fromDocument(mixed $document): self
    {
        $envelope = Envelope::fromDocument($document);
        $envelope->verify();
        $receipt = Statement::read($envelope->payload);
        if (!$receipt->node->equals($envelope->signer)) {
            throw VerificationFailed::because(
                "the receipt of the node {$receipt->node} is signed by {$envelope->signer}",
                'a node signs its own receipts only; do not rely on it',
            );
        }

        return $receipt;
    }
}
