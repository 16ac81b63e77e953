<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Exception\InvalidInput;
use Plasm\Folder;
use Plasm\Input;
use Plasm\Job;
use Plasm\Limits;
use Plasm\Manifest;
use Plasm\Module;
use Plasm\Mount;
use Plasm\Outcome;
use Plasm\OutcomeKind;
use Plasm\PlasmException;
use Plasm\Quantity;
use Plasm\TrapKind;

/** Values are checked where they are made. */
final class ModelTest extends TestCase
{
    private const DIGEST = 'abababababababababababababababababababababababababababababababab';

    public function testQuantitiesAreReadAsPeopleWriteThem(): void
    {
        self::assertSame(64 * 2 ** 20, Quantity::size('64MiB'));
        self::assertSame(1_500_000, Quantity::size('1.5MB'));
        self::assertSame(512, Quantity::size('0.5 KiB'));
        self::assertSame(7, Quantity::size('7'));
        self::assertSame(7, Quantity::size(7));
        self::assertSame(1_500, Quantity::duration('1.5s'));
        self::assertSame(604_800_000, Quantity::duration('168h'));
        self::assertSame(20, Quantity::duration(20));
    }

    /** @dataProvider noQuantities */
    public function testWhatIsNoQuantityIsRefused(callable $read, string $text): void
    {
        $this->expectException(InvalidInput::class);
        $read($text);
    }

    /** @return list<array{callable, string}> */
    public static function noQuantities(): array
    {
        $sizes = ['', 'MiB', '1parsec', '1mib', '-1B', '1e3', '1.5B', '.5KiB', '1,5KiB', '٣', '9999999999999999GiB'];
        $durations = ['7', '1d', '0.5ms', '1.0001s', '1 s s'];

        return [
            ...array_map(fn (string $text) => [Quantity::size(...), $text], $sizes),
            ...array_map(fn (string $text) => [Quantity::duration(...), $text], $durations),
        ];
    }

    /** @dataProvider badLimits */
    public function testALimitThatCannotBeMeantIsRefused(string $name, int|string $value): void
    {
        $this->expectException(InvalidInput::class);
        $this->expectExceptionMessage($name);
        new Limits(...[$name => $value]);
    }

    /** @return list<array{string, int|string}> */
    public static function badLimits(): array
    {
        return [
            ['memory', 2 ** 16 - 1],
            ['memory', '5GiB'],
            ['fuel', 0],
            ['fuel', 2 ** 53],
            ['wallTime', 0],
            ['wallTime', '169h'],
            ['cpuTime', 0],
            ['output', -1],
            ['files', 2 ** 50 + 1],
        ];
    }

    /** @dataProvider badManifests */
    public function testAManifestThatNoJobCanHaveIsRefused(callable $make): void
    {
        $this->expectException(InvalidInput::class);
        $make(self::DIGEST);
    }

    /** @return array<string, array{callable}> */
    public static function badManifests(): array
    {
        return [
            'no digest' => [fn () => new Manifest('abc')],
            'an upper-case digest' => [fn (string $it) => new Manifest(strtoupper($it))],
            'a NUL in an argument' => [fn (string $it) => new Manifest($it, ["a\0b"])],
            'binary in an argument' => [fn (string $it) => new Manifest($it, ["\xff"])],
            'a number for an argument' => [fn (string $it) => new Manifest($it, [1])],
            'arguments with keys' => [fn (string $it) => new Manifest($it, ['a' => 'b'])],
            'a variable without a name' => [fn (string $it) => new Manifest($it, env: ['' => 'x'])],
            'an equals sign in a name' => [fn (string $it) => new Manifest($it, env: ['A=B' => 'x'])],
            'a newline after a name' => [fn (string $it) => new Manifest($it, env: ["A\n" => 'x'])],
            'binary in a variable' => [fn (string $it) => new Manifest($it, env: ['A' => "\xff"])],
            'too many arguments' => [fn (string $it) => new Manifest($it, [str_repeat('x', 2 ** 20), 'x'])],
            'a mount twice' => [fn (string $it) => new Manifest($it, mounts: [new Mount('/a'), new Mount('/a', true)])],
            'a relative mount' => [fn () => new Mount('data')],
            'a mount that climbs' => [fn () => new Mount('/data/../etc')],
            'a mount and determinism' => [
                fn (string $it) => new Manifest($it, mounts: [new Mount('/a')], deterministic: true),
            ],
            'a seed without determinism' => [fn (string $it) => new Manifest($it, seed: 7)],
            'a negative clock' => [fn (string $it) => new Manifest($it, deterministic: true, clock: -1)],
        ];
    }

    public function testVariablesWithNamesThatPhpTakesForNumbersStayNames(): void
    {
        $manifest = new Manifest(self::DIGEST, env: ['1' => 'b', '0' => 'a', '10' => 'c', 'A' => 'd']);
        self::assertStringContainsString('"env":{"0":"a","1":"b","10":"c","A":"d"}', $manifest->canonical());
        self::assertStringContainsString('"env":{"0":"a"}', (new Manifest(self::DIGEST, env: ['a']))->canonical());
        self::assertStringContainsString('"env":{}', (new Manifest(self::DIGEST))->canonical());
    }

    public function testTextIsEscapedAsRfc8785HasIt(): void
    {
        $manifest = new Manifest(self::DIGEST, ["\x01\x1f\x7f\u{2028}/é\"\\\t\u{8}"]);
        self::assertStringContainsString(
            '"args":["\u0001\u001f' . "\x7f\u{2028}/é" . '\"\\\\\t\b"]',
            $manifest->canonical(),
        );
    }

    public function testAJobNeedsItsOwnModuleAndAFolderForEachMount(): void
    {
        $module = new Module("\0asm\1\0\0\0");
        $folder = new Folder(__DIR__, '/data', readOnly: true);
        $job = Job::of($module, ['x'], 'input', ['A' => 'b'], [$folder], new Limits(fuel: 7), 'wasmtime');
        self::assertSame([$folder->mount], $job->manifest->mounts);
        self::assertSame(hash('sha256', 'inp'), $job->stdinDigest(3));
        self::assertSame(hash('sha256', ''), $job->stdinDigest(0));
        self::assertNull($job->stdinDigest(6));
        foreach ([new Manifest(self::DIGEST), new Manifest($module->digest, mounts: [new Mount('/data')])] as $other) {
            try {
                new Job($module, $other, null, [$folder]);
                self::fail('taken');
            } catch (InvalidInput $error) {
                self::assertSame('invalid-input', $error->errorCode);
            }
        }
    }

    public function testAFileIsReadInPartsAndDigestedFromItsBeginning(): void
    {
        $path = (string) tempnam(sys_get_temp_dir(), 'plasm');
        $content = random_bytes(700_000);
        file_put_contents($path, $content);
        $input = Input::file($path);
        self::assertSame($content, implode('', iterator_to_array($input->parts(), false)));
        self::assertSame($content, implode('', iterator_to_array(Input::bytes($content)->parts(), false)));
        foreach ([0, 1, 262_143, 262_144, 262_145, 700_000] as $size) {
            self::assertSame(hash('sha256', substr($content, 0, $size)), $input->digest($size));
        }
        self::assertNull($input->digest(700_001));
        unlink($path);
    }

    /** @dataProvider missing */
    public function testAFileThatIsNotThereIsNamed(callable $open): void
    {
        $this->expectException(InvalidInput::class);
        $this->expectExceptionMessage('/no/such');
        $open('/no/such');
    }

    /** @return list<array{callable}> */
    public static function missing(): array
    {
        return [[Input::file(...)], [Module::fromFile(...)], [fn (string $path) => new Folder($path, '/data')]];
    }

    public function testAnOutcomeHasWhatGoesWithItsKind(): void
    {
        self::assertTrue((new Outcome(OutcomeKind::Exited, 0))->succeeded());
        self::assertFalse((new Outcome(OutcomeKind::Exited, 1))->succeeded());
        self::assertFalse((new Outcome(OutcomeKind::TimedOut))->succeeded());
        self::assertSame('timed out', (string) new Outcome(OutcomeKind::TimedOut));
        $wrong = [
            [OutcomeKind::Exited],
            [OutcomeKind::Trapped],
            [OutcomeKind::TimedOut, 0],
            [OutcomeKind::Exited, 0, TrapKind::Other],
            [OutcomeKind::Exited, -1],
            [OutcomeKind::Exited, 2 ** 32],
        ];
        foreach ($wrong as $arguments) {
            try {
                new Outcome(...$arguments);
                self::fail('taken');
            } catch (InvalidInput $error) {
                self::assertNotSame('', $error->getMessage());
            }
        }
    }

    public function testAnExceptionComesInTheClassOfItsCode(): void
    {
        $known = ['invalid-module', 'invalid-receipt', 'peer-lied', 'protocol-violation', 'node-not-running'];
        foreach ($known as $code) {
            $error = PlasmException::of($code, 'message', 'hint');
            self::assertNotSame(PlasmException::class, $error::class);
            self::assertSame("error[{$code}]: message (hint)", $error->sentence());
        }
        self::assertSame(PlasmException::class, PlasmException::of('queue-full', 'message')::class);
    }
}
