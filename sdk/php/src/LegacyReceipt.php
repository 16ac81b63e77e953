<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\Receipt\Fields;
use Plasm\Receipt\JsonReader;

/**
 * What a node claims in a receipt of version 0.1, that of the older Phase protocol: seven fields in one flat object.
 *
 * It says nothing of input and output.  Read it with {@see Receipt::read}.
 */
final readonly class LegacyReceipt
{
    private const VERSION = '0.1';
    private const HASH_PREFIX = 'sha256:';
    private const FIELDS = [
        'version', 'module_hash', 'exit_code', 'wall_time_ms', 'timestamp', 'node_pubkey', 'signature',
    ];

    /**
     * @param string $module digest of the module's bytes
     * @param int $exitCode the job's, or the exit status that stands for its outcome
     * @param int $finishedS seconds since the Unix epoch
     */
    public function __construct(
        public string $module,
        public int $exitCode,
        public int $wallTimeMs,
        public int $finishedS,
        public PeerId $node,
    ) {
    }

    /**
     * @throws InvalidReceipt not exactly the seven fields in their forms
     * @throws VerificationFailed the signature does not hold
     */
    public static function verify(string $data): self
    {
        return self::fromDocument(JsonReader::read($data));
    }

    /** @internal */
    public static function fromDocument(mixed $document): self
    {
        $fields = Fields::of($document, 'receipt', self::FIELDS);
        $fields->exactly('version', self::VERSION);
        $hash = $fields->text('module_hash');
        $module = substr($hash, strlen(self::HASH_PREFIX));
        if (!str_starts_with($hash, self::HASH_PREFIX) || !Crypto::isSha256($module)) {
            throw $fields->refused('module_hash', 'sha256: and 64 lower-case hex digits');
        }
        $receipt = new self(
            $module,
            $fields->number('exit_code', -(2 ** 31), 2 ** 32 - 1),
            $fields->count('wall_time_ms'),
            $fields->count('timestamp'),
            new PeerId(sodium_hex2bin($fields->hex('node_pubkey', 64))),
        );
        $signature = sodium_hex2bin($fields->hex('signature', 128));
        if (!Crypto::signatureHolds($receipt->node, $receipt->signedBytes(), $signature)) {
            throw VerificationFailed::because(
                "the signature is not one of {$receipt->node} over this receipt",
                'the receipt was changed after it was signed; do not rely on it',
            );
        }

        return $receipt;
    }

    /** What the signature is made over: the 32 bytes of a SHA-256. */
    public function signedBytes(): string
    {
        $parts = [
            self::VERSION, self::HASH_PREFIX . $this->module, $this->exitCode, $this->wallTimeMs, $this->finishedS,
        ];

        return hash('sha256', implode('|', $parts), true);
    }
}
