<?php

declare(strict_types=1);

namespace Plasm\Receipt;

use Plasm\Crypto;
use Plasm\Exception\InvalidInput;
use Plasm\Exception\InvalidReceipt;
use Plasm\Exception\VerificationFailed;
use Plasm\PeerId;

/**
 * The envelope of a receipt: DSSE v1 with in-toto's payload type and exactly one signature.
 *
 * See {@link https://github.com/secure-systems-lab/dsse}.  No bit of it can change without it failing.
 */
final readonly class Envelope
{
    public const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

    private function __construct(public string $payload, public PeerId $signer, public string $signature)
    {
    }

    /**
     * The envelope in a document; nothing in it is verified yet.
     *
     * @throws InvalidReceipt anything else than exactly an envelope of a receipt
     */
    public static function fromDocument(mixed $document): self
    {
        $envelope = Fields::of($document, 'envelope', ['payload', 'payloadType', 'signatures']);
        $payload = $envelope->base64('payload');
        $envelope->exactly('payloadType', self::PAYLOAD_TYPE);
        $signatures = $envelope->objects('signatures', ['keyid', 'sig']);
        if (count($signatures) !== 1) {
            throw JsonReader::refused('envelope.signatures must hold exactly one signature, not ' . count($signatures));
        }
        $signature = $signatures[0]->base64('sig');
        if (strlen($signature) !== Crypto::SIGNATURE_BYTES) {
            throw $signatures[0]->refused('sig', 'the base64 of 64 bytes');
        }
        try {
            $signer = PeerId::parse($signatures[0]->text('keyid'));
        } catch (InvalidInput $error) {
            throw JsonReader::refused("envelope.signatures[0].keyid: {$error->getMessage()}");
        }

        return new self($payload, $signer, $signature);
    }

    /** @throws VerificationFailed the signature does not hold */
    public function verify(): void
    {
        if (!Crypto::signatureHolds($this->signer, Crypto::pae(self::PAYLOAD_TYPE, $this->payload), $this->signature)) {
            throw VerificationFailed::because(
                "the signature is not one of {$this->signer} over this receipt",
                'the receipt was changed after it was signed; do not rely on it',
            );
        }
    }
}
