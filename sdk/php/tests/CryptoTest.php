<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Crypto;
use Plasm\Exception\InvalidInput;
use Plasm\PeerId;
use Plasm\Tests\World\Signer;
use Plasm\Tests\World\Vectors;

/** Nothing has two encodings, and no signature fits two messages or two keys. */
final class CryptoTest extends TestCase
{
    private const GROUP_ORDER = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010';

    public function testASignatureHoldsForItsMessageAndKeyAlone(): void
    {
        $signer = Signer::ofVectors();
        $signature = $signer->sign('message');
        self::assertTrue(Crypto::signatureHolds($signer->peer, 'message', $signature));
        self::assertFalse(Crypto::signatureHolds($signer->peer, 'massage', $signature));
        self::assertFalse(Crypto::signatureHolds(Signer::other()->peer, 'message', $signature));
        $others = ['', substr($signature, 1), "{$signature}\0", str_repeat("\0", 64), str_repeat("\xff", 64)];
        foreach ($others as $wrong) {
            self::assertFalse(Crypto::signatureHolds($signer->peer, 'message', $wrong));
        }
    }

    public function testTheGroupOrderCannotBeAddedToASignature(): void
    {
        $signer = Signer::ofVectors();
        $signature = $signer->sign('message');
        $scalar = substr($signature, 32);
        for ($times = 1; $times <= 8; $times++) {
            sodium_add($scalar, sodium_hex2bin(self::GROUP_ORDER));
            self::assertFalse(Crypto::signatureHolds($signer->peer, 'message', substr($signature, 0, 32) . $scalar));
        }
    }

    /**
     * With such a key one signature would fit every message.  These are all of them, with the encodings that are not
     * canonical (see https://eprint.iacr.org/2020/1244, table 1).
     *
     * @dataProvider keysOfSmallOrder
     */
    public function testAKeyOfSmallOrderSignsNothing(string $key): void
    {
        $peer = new PeerId(sodium_hex2bin($key));
        foreach (array_column(self::keysOfSmallOrder(), 0) as $point) {
            $signature = sodium_hex2bin($point) . str_repeat("\0", 32);
            for ($message = 0; $message < 16; $message++) {
                self::assertFalse(Crypto::signatureHolds($peer, "message {$message}", $signature));
            }
        }
    }

    /** @return list<array{string}> */
    public static function keysOfSmallOrder(): array
    {
        $order8 = [
            '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
            'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
        ];
        $points = [
            '01' . str_repeat('00', 31),
            'ec' . str_repeat('ff', 30) . '7f',
            str_repeat('00', 32),
            ...$order8,
            'ed' . str_repeat('ff', 30) . '7f',
            'ee' . str_repeat('ff', 30) . '7f',
        ];
        $keys = [];
        foreach ($points as $point) {
            $signed = sodium_hex2bin($point);
            $signed[31] = chr(ord($signed[31]) | 0x80);
            array_push($keys, [$point], [bin2hex($signed)]);
        }

        return $keys;
    }

    public function testBase64HasOneTextForEachValue(): void
    {
        for ($length = 0; $length < 40; $length++) {
            $bytes = random_bytes($length + 1);
            self::assertSame($bytes, Crypto::base64Decode(base64_encode($bytes)));
        }
        self::assertSame('', Crypto::base64Decode(''));
        foreach (['QQ', 'QQ=', 'QR==', 'Q Q==', "QQ==\n", 'QQ===', 'QQ==QQ==', '-_-_', 'A', '=', 'ä==='] as $wrong) {
            self::assertNull(Crypto::base64Decode($wrong), $wrong);
        }
    }

    public function testBase58IsThatOfBitcoin(): void
    {
        $known = ['' => '', '61' => '2g', '00' => '1', '000001' => '112', '516b6fcd0f' => 'ABnLTmg', 'ff' => '5Q'];
        foreach ($known as $hex => $text) {
            self::assertSame($text, Crypto::base58Encode(sodium_hex2bin((string) $hex)));
            self::assertSame((string) $hex, bin2hex((string) Crypto::base58Decode($text)));
        }
        foreach (['0', 'O', 'I', 'l', '2g ', 'é', "2g\n"] as $wrong) {
            self::assertNull(Crypto::base58Decode($wrong));
        }
    }

    /** @dataProvider noPeerIds */
    public function testWhatIsNotAPeerIdIsRefused(string $text): void
    {
        $this->expectException(InvalidInput::class);
        PeerId::parse($text);
    }

    /** @return list<array{string}> */
    public static function noPeerIds(): array
    {
        $good = Vectors::of('peer_ids')['number 0'][0]['peerId'];

        return [
            [''],
            [substr($good, 1)],
            ["{$good}1"],
            [" {$good}"],
            [substr($good, 0, -1) . ' '],
            [substr($good, 0, -1) . '0'],
            [str_repeat('1', 52)],
            [str_repeat('z', 52)],
            ['Qm' . substr($good, 2)],
            ['1' . substr($good, 0, -1)],
            ["\0" . substr($good, 1)],
        ];
    }

    public function testAKeyOfAnotherLengthIsNone(): void
    {
        $this->expectException(InvalidInput::class);
        new PeerId(str_repeat("\0", 31));
    }
}
