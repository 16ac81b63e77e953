<?php

declare(strict_types=1);

namespace Plasm\Receipt;

use Plasm\Exception\InvalidInput;
use Plasm\Exception\InvalidReceipt;
use Plasm\Limits;
use Plasm\Outcome;
use Plasm\OutcomeKind;
use Plasm\PeerId;
use Plasm\Receipt;
use Plasm\TrapKind;
use Plasm\Usage;

/** What a receipt says, read from its JSON: an in-toto Statement v1 in the form that docs/receipts.md gives. */
final class Statement
{
    private const TYPE = 'https://in-toto.io/Statement/v1';
    private const PREDICATE_TYPE = 'https://plasm.dev/receipt/v1';
    private const STREAMS = ['stdout', 'stderr'];
    private const PREDICATE = [
        'job', 'module', 'stdin', 'outcome', 'usage', 'limits', 'runtime', 'platform', 'node', 'startedOn',
        'finishedOn', 'truncated',
    ];

    /** @throws InvalidReceipt a field unknown, missing or not of its form; the message has its path */
    public static function read(string $payload): Receipt
    {
        $required = ['_type', 'predicateType', 'subject', 'predicate'];
        $statement = Fields::of(JsonReader::read($payload), 'statement', $required);
        $statement->exactly('_type', self::TYPE);
        $statement->exactly('predicateType', self::PREDICATE_TYPE);
        try {
            return self::claims($statement, $statement->object('predicate', self::PREDICATE));
        } catch (InvalidInput $error) {
            throw JsonReader::refused("statement.predicate: {$error->getMessage()}");
        }
    }

    /** @throws InvalidInput a value that the model does not allow */
    private static function claims(Fields $statement, Fields $predicate): Receipt
    {
        $job = $predicate->object('job', ['id', 'manifest', 'nonce']);
        $module = $predicate->object('module', ['digest', 'size']);
        $stdin = $predicate->object('stdin', ['digest', 'size']);
        $runtime = $predicate->object('runtime', ['name', 'version']);

        return new Receipt(
            subjects: self::subjects($statement),
            jobId: $job->hex('id', 32),
            manifest: $job->object('manifest', ['digest'])->digest(),
            nonce: $job->hex('nonce', 64),
            module: $module->digest(),
            moduleSize: $module->count('size'),
            stdin: $stdin->digest(),
            stdinSize: $stdin->count('size'),
            outcome: self::outcome($predicate->object('outcome', ['kind'], ['exitCode', 'trap'])),
            usage: self::usage($predicate->object('usage', ['wallTimeUs'], ['cpuTimeUs', 'peakMemory', 'fuel'])),
            limits: self::limits($predicate),
            runtimeName: $runtime->text('name'),
            runtimeVersion: $runtime->text('version'),
            arch: $predicate->object('platform', ['arch'])->text('arch'),
            node: PeerId::parse($predicate->object('node', ['peerId'])->text('peerId')),
            startedUs: $predicate->moment('startedOn'),
            finishedUs: $predicate->moment('finishedOn'),
            truncated: self::truncated($predicate),
        );
    }

    /** @return array<string, string> digests by name */
    private static function subjects(Fields $statement): array
    {
        $subjects = [];
        foreach ($statement->objects('subject', ['name', 'digest']) as $subject) {
            $name = $subject->text('name');
            if (!in_array($name, self::STREAMS, true) && !str_starts_with($name, '/')) {
                throw $subject->refused('name', 'stdout, stderr or an absolute path');
            }
            if (isset($subjects[$name])) {
                throw JsonReader::refused('statement.subject has one name more than once');
            }
            $subjects[$name] = $subject->digest();
        }
        if (!isset($subjects['stdout'], $subjects['stderr'])) {
            throw JsonReader::refused('statement.subject must have stdout and stderr');
        }

        return $subjects;
    }

    private static function outcome(Fields $outcome): Outcome
    {
        return new Outcome(
            $outcome->oneOf('kind', OutcomeKind::class),
            $outcome->countIfPresent('exitCode'),
            $outcome->oneOfIfPresent('trap', TrapKind::class),
        );
    }

    private static function usage(Fields $usage): Usage
    {
        return new Usage(
            $usage->count('wallTimeUs'),
            $usage->countIfPresent('cpuTimeUs'),
            $usage->countIfPresent('peakMemory'),
            $usage->countIfPresent('fuel'),
        );
    }

    private static function limits(Fields $predicate): Limits
    {
        $limits = $predicate->object('limits', ['memory', 'wallTimeMs', 'output', 'files'], ['fuel', 'cpuTimeMs']);

        return new Limits(
            memory: $limits->count('memory'),
            fuel: $limits->countIfPresent('fuel'),
            wallTime: $limits->count('wallTimeMs'),
            cpuTime: $limits->countIfPresent('cpuTimeMs'),
            output: $limits->count('output'),
            files: $limits->count('files'),
        );
    }

    /** @return list<string> */
    private static function truncated(Fields $predicate): array
    {
        $streams = $predicate->array('truncated');
        foreach ($streams as $stream) {
            if (!in_array($stream, self::STREAMS, true) || count(array_keys($streams, $stream, true)) > 1) {
                throw $predicate->refused('truncated', 'an array of stdout and stderr, each at most once');
            }
        }

        return $streams;
    }
}
