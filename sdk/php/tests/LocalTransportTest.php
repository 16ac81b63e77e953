<?php

declare(strict_types=1);

namespace Plasm\Tests;

use PHPUnit\Framework\TestCase;
use Plasm\Client;
use Plasm\Exception\InvalidInput;
use Plasm\Exception\ProtocolViolation;
use Plasm\Exception\VerificationFailed;
use Plasm\Folder;
use Plasm\Input;
use Plasm\Job;
use Plasm\Limits;
use Plasm\Module;
use Plasm\PlasmException;
use Plasm\Tests\World\Signer;
use Plasm\Transport\LocalTransport;

/** Jobs with a command that stands in for `plasm`, and is not always honest. */
final class LocalTransportTest extends TestCase
{
    private const COMMAND = __DIR__ . '/World/fake-plasm';

    private static function job(string $does, Input|string|null $stdin = null): Job
    {
        return Job::of(new Module("\0asm\1\0\0\0"), [$does], $stdin, limits: new Limits(memory: '64MiB', fuel: 7));
    }

    private static function client(): Client
    {
        return new Client(new LocalTransport(self::COMMAND));
    }

    public function testMegabytesGoThroughInBothDirections(): void
    {
        $input = random_bytes(5_000_000);
        $result = self::client()->run(self::job('echo', $input));
        self::assertTrue($result->stdout === $input);
        self::assertSame(5_000_000, $result->receipt->stdinSize);
        self::assertTrue($result->succeeded());
    }

    public function testACommandThatTalksBeforeItListensIsHeard(): void
    {
        $input = str_repeat('line ', 1_000_000);
        self::assertTrue(self::client()->run(self::job('chatter', $input))->stdout === $input);
    }

    public function testACommandThatDoesNotListenIsNotWaitedFor(): void
    {
        self::assertSame('', self::client()->run(self::job('deaf', str_repeat('x', 5_000_000)))->stdout);
    }

    public function testAFileIsHandedOverAsItIs(): void
    {
        $path = (string) tempnam(sys_get_temp_dir(), 'plasm');
        file_put_contents($path, 'from a file');
        self::assertSame('from a file', self::client()->run(self::job('echo', Input::file($path)))->stdout);
        unlink($path);
    }

    public function testWithoutInputThereIsNone(): void
    {
        self::assertSame('', self::client()->run(self::job('echo'))->stdout);
        self::assertSame('', self::client()->run(self::job('echo', ''))->stdout);
    }

    public function testBytesThatAreNoTextComeThrough(): void
    {
        $heard = [];
        $hear = function (string $stream, string $bytes) use (&$heard): void {
            $heard[] = [$stream, $bytes];
        };
        $result = self::client()->run(self::job('binary'), $hear);
        self::assertSame(["\xff\0\n", "\xff\0\n"], [$result->stdout, $result->stderr]);
        self::assertSame([['stdout', "\xff\0\n"], ['stderr', "\xff\0\n"]], $heard);
    }

    public function testTheCommandGetsItsArgumentsWithoutAShell(): void
    {
        $folder = sys_get_temp_dir() . '/plasm $(id) "quoted" ' . getmypid();
        mkdir($folder);
        $job = Job::of(new Module('x'), ['arguments', '$HOME; --rm'], folders: [
            new Folder($folder, '/data', readOnly: true),
            new Folder($folder, '/out'),
        ]);
        $arguments = explode("\n", self::client()->run($job)->stdout);
        rmdir($folder);
        self::assertSame('run', $arguments[0]);
        self::assertStringStartsWith('--manifest=', $arguments[2]);
        self::assertSame(
            ["--dir={$folder}:/data:ro", "--dir={$folder}:/out", '--json', '--receipt-format', 'v1', '--quiet'],
            array_slice($arguments, 3),
        );
        self::assertFileDoesNotExist($arguments[1], 'what was written for the command is removed');
        self::assertDirectoryDoesNotExist(dirname($arguments[1]));
    }

    public function testTheCommandGetsTheEnvironmentThatItIsGiven(): void
    {
        $environment = ['PATH' => (string) getenv('PATH'), 'PLASM_HOME' => '/somewhere'];
        $client = new Client(new LocalTransport(self::COMMAND, $environment));
        $given = explode("\n", $client->run(self::job('environment'))->stdout);
        self::assertContains('PLASM_HOME=/somewhere', $given);
        self::assertEmpty(preg_grep('/^HOME=/', $given));
    }

    public function testTheCommandIsLookedForOnThePath(): void
    {
        $folder = sys_get_temp_dir() . '/plasm-path-' . getmypid();
        mkdir($folder);
        symlink(self::COMMAND, "{$folder}/plasm");
        $before = (string) getenv('PATH');
        putenv("PATH=/nowhere:{$folder}:{$before}");
        try {
            self::assertSame('x', Client::local()->run(self::job('echo', 'x'))->stdout);
        } finally {
            putenv("PATH={$before}");
            unlink("{$folder}/plasm");
            rmdir($folder);
        }
    }

    /** @dataProvider noCommands */
    public function testACommandThatIsNotThereIsNamed(string $command): void
    {
        $this->expectException(InvalidInput::class);
        $this->expectExceptionMessage($command);
        new LocalTransport($command);
    }

    /** @return list<array{string}> */
    public static function noCommands(): array
    {
        return [['/no/such/plasm'], ['plasm-that-nobody-has'], [__FILE__], [__DIR__]];
    }

    public function testWhatTheCommandSaysIsWrongIsAnExceptionWithItsCode(): void
    {
        try {
            self::client()->run(self::job('error'));
            self::fail('no exception');
        } catch (PlasmException $error) {
            self::assertInstanceOf(InvalidInput::class, $error);
            self::assertSame('unsupported-import', $error->errorCode);
            self::assertSame('the module imports env.f', $error->getMessage());
            self::assertSame('none', $error->hint);
        }
    }

    public function testACommandThatBreaksIsToldWithItsLastWords(): void
    {
        $this->expectException(ProtocolViolation::class);
        $this->expectExceptionMessage('status 3 and without a result that can be read: "something \u001b[2J broke"');
        self::client()->run(self::job('garbage'));
    }

    /** @dataProvider lies */
    public function testALieIsNotBelieved(string $lie, string $says): void
    {
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage($says);
        self::client()->run(self::job($lie));
    }

    /** @return list<array{string, string}> */
    public static function lies(): array
    {
        return [
            ['other-stdout', 'stdout: DIFFERS'],
            ['other-signer', 'signer: DIFFERS'],
            ['other-manifest', 'manifest: DIFFERS'],
            ['other-module', 'module: DIFFERS'],
            ['other-module-size', 'another size of input or module'],
            ['more-input', 'another size of input or module'],
            ['other-input', 'another size of input or module'],
            ['other-limits', 'other limits'],
            ['cut-off', 'cut off'],
            ['unreadable-receipt', 'platform.arch'],
        ];
    }

    public function testInputThatWasNotGivenIsALieToo(): void
    {
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage('stdin: DIFFERS');
        self::client()->run(self::job('other-input', 'given'));
    }

    public function testASignerThatIsAskedForMustHaveSigned(): void
    {
        $transport = new LocalTransport(self::COMMAND);
        (new Client($transport, Signer::ofVectors()->peer))->run(self::job('deaf'));
        $this->expectException(VerificationFailed::class);
        $this->expectExceptionMessage((string) Signer::other()->peer);
        (new Client($transport, Signer::other()->peer))->run(self::job('deaf'));
    }

    public function testACommandIsEndedWhenItIsNotWaitedFor(): void
    {
        if (!function_exists('pcntl_alarm')) {
            self::markTestSkipped('PHP has no extension pcntl');
        }
        $note = (string) tempnam(sys_get_temp_dir(), 'plasm');
        pcntl_async_signals(true);
        $started = fn () => file_get_contents($note) !== '';
        pcntl_signal(SIGALRM, fn () => $started() ? throw new \DomainException('enough') : pcntl_alarm(1));
        pcntl_alarm(1);
        $begin = microtime(true);
        try {
            self::client()->run(Job::of(new Module('x'), ['wait', $note], str_repeat('x', 1_000_000)));
            self::fail('no exception');
        } catch (\DomainException) {
            self::assertLessThan(30, microtime(true) - $begin);
            self::assertFalse(posix_kill((int) file_get_contents($note), 0));
        } finally {
            pcntl_signal(SIGALRM, SIG_DFL);
            unlink($note);
        }
    }
}
