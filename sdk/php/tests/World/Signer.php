<?php

declare(strict_types=1);

namespace Plasm\Tests\World;

use Plasm\Crypto;
use Plasm\PeerId;

/** A node with a key that everybody knows, which signs whatever it is asked to. */
final class Signer
{
    public readonly PeerId $peer;
    private readonly string $secret;

    public function __construct(string $seed)
    {
        $pair = sodium_crypto_sign_seed_keypair($seed);
        $this->secret = sodium_crypto_sign_secretkey($pair);
        $this->peer = new PeerId(sodium_crypto_sign_publickey($pair));
    }

    /** The one that signs the test vectors. */
    public static function ofVectors(): self
    {
        return new self(sodium_hex2bin(Vectors::one('receipts', 'exited')['seed']));
    }

    public static function other(): self
    {
        return new self(str_repeat("\0", 31) . "\1");
    }

    public function sign(string $message): string
    {
        return sodium_crypto_sign_detached($message, $this->secret);
    }

    /** An envelope around the payload, signed as it must be. */
    public function envelope(string $payload): string
    {
        $type = 'application/vnd.in-toto+json';

        return (string) json_encode([
            'payload' => base64_encode($payload),
            'payloadType' => $type,
            'signatures' => [[
                'keyid' => (string) $this->peer,
                'sig' => base64_encode($this->sign(Crypto::pae($type, $payload))),
            ]],
        ], JSON_UNESCAPED_SLASHES);
    }
}
