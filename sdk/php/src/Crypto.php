<?php

declare(strict_types=1);

namespace Plasm;

/**
 * The few operations that receipts rest on, as strict as they are in Plasm itself: nothing has two encodings, and
 * no signature fits two messages or two keys.
 */
final class Crypto
{
    public const SIGNATURE_BYTES = SODIUM_CRYPTO_SIGN_BYTES;
    public const PUBLIC_KEY_BYTES = SODIUM_CRYPTO_SIGN_PUBLICKEYBYTES;

    private const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

    /** DSSE's pre-authentication encoding: the bytes that are signed. */
    public static function pae(string $payloadType, string $payload): string
    {
        return sprintf('DSSEv1 %d %s %d %s', strlen($payloadType), $payloadType, strlen($payload), $payload);
    }

    /**
     * Whether the Ed25519 signature was made over the message by the key inside the peer id.
     *
     * libsodium refuses keys of small order, and signatures whose S is not below the group order (RFC 8032, 5.1.7).
     */
    public static function signatureHolds(PeerId $node, string $message, string $signature): bool
    {
        return strlen($signature) === self::SIGNATURE_BYTES
            && sodium_crypto_sign_verify_detached($signature, $message, $node->publicKey);
    }

    public static function sha256(string $bytes): string
    {
        return hash('sha256', $bytes);
    }

    /** Whether the text is 64 lower-case hex digits, which is how digests are written. */
    public static function isSha256(string $text): bool
    {
        return self::isHex($text, 64);
    }

    public static function isHex(string $text, int $digits): bool
    {
        return strlen($text) === $digits && strspn($text, '0123456789abcdef') === $digits;
    }

    /** The bytes of canonical, padded, standard base64 (RFC 4648, sections 3.5 and 4); null for anything else. */
    public static function base64Decode(string $text): ?string
    {
        $bytes = base64_decode($text, true);

        return $bytes !== false && base64_encode($bytes) === $text ? $bytes : null;
    }

    public static function base58Encode(string $bytes): string
    {
        $zeros = strspn($bytes, "\0");
        $digits = self::convert(array_values(unpack('C*', $bytes) ?: []), 256, 58);

        return str_repeat('1', $zeros) . implode('', array_map(fn (int $digit) => self::BASE58[$digit], $digits));
    }

    /** The bytes of base58 in Bitcoin's alphabet; null where a character is not in it. */
    public static function base58Decode(string $text): ?string
    {
        if (strspn($text, self::BASE58) !== strlen($text)) {
            return null;
        }
        $digits = array_map(fn (string $char) => (int) strpos(self::BASE58, $char), str_split($text));

        return str_repeat("\0", strspn($text, '1')) . pack('C*', ...self::convert($digits, 58, 256));
    }

    /**
     * A number's digits in another base, without leading zeros.
     *
     * @param list<int> $digits
     * @return list<int>
     */
    private static function convert(array $digits, int $from, int $to): array
    {
        $result = [];
        foreach ($digits as $carry) {
            foreach ($result as $place => $digit) {
                $carry += $digit * $from;
                $result[$place] = $carry % $to;
                $carry = intdiv($carry, $to);
            }
            for (; $carry > 0; $carry = intdiv($carry, $to)) {
                $result[] = $carry % $to;
            }
        }

        return array_reverse($result);
    }
}
