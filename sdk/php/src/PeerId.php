<?php

declare(strict_types=1);

namespace Plasm;

use Plasm\Exception\InvalidInput;

/** A node's name, like `12D3KooW…`: libp2p's peer id of an Ed25519 key, which contains the public key itself. */
final readonly class PeerId implements \Stringable
{
    private const PREFIX = "\x00\x24\x08\x01\x12\x20";
    private const TEXT_LENGTH = 52;

    /** @param string $publicKey 32 bytes */
    public function __construct(public string $publicKey)
    {
        if (strlen($publicKey) !== Crypto::PUBLIC_KEY_BYTES) {
            throw InvalidInput::because('an Ed25519 public key has 32 bytes, not ' . strlen($publicKey));
        }
    }

    public static function parse(string $text): self
    {
        $raw = strlen($text) === self::TEXT_LENGTH ? Crypto::base58Decode($text) : null;
        if ($raw === null || !str_starts_with($raw, self::PREFIX)) {
            throw InvalidInput::because(
                Text::shown($text) . ' is not a peer id',
                'it looks like 12D3KooW and 44 more characters',
            );
        }

        return new self(substr($raw, strlen(self::PREFIX)));
    }

    public function equals(self $other): bool
    {
        return $this->publicKey === $other->publicKey;
    }

    public function __toString(): string
    {
        return Crypto::base58Encode(self::PREFIX . $this->publicKey);
    }
}
