<?php

declare(strict_types=1);

namespace Plasm\Receipt;

use Plasm\Exception\InvalidReceipt;
use Plasm\Text;

/**
 * Reads JSON that somebody else wrote, as RFC 8259 has it and stricter: bounded in size and depth, UTF-8, no field
 * twice in one object, whole numbers of at most 2^53-1 only.
 *
 * `json_decode` takes the last of two equal names without a word and makes floats of what does not fit, so a signature
 * could hold over something else than what was read.  Only single texts are left to it.
 */
final class JsonReader
{
    public const MAX_BYTES = 2 ** 20;
    public const MAX_NUMBER = 2 ** 53 - 1;
    private const MAX_DEPTH = 32;
    private const WHITESPACE = " \t\n\r";
    private const NUMBER = '/-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?/A';
    private const LITERALS = ['true' => true, 'false' => false, 'null' => null];

    private int $at = 0;
    private int $depth = 0;

    private function __construct(private readonly string $data)
    {
    }

    /**
     * The document: objects as {@see JsonObject}, arrays as lists.
     *
     * @throws InvalidReceipt it is not such a document
     */
    public static function read(string $data): mixed
    {
        if (strlen($data) > self::MAX_BYTES) {
            throw self::refused('longer than ' . self::MAX_BYTES . ' bytes');
        }
        if (!Text::isUtf8($data)) {
            throw self::refused('not UTF-8');
        }
        $reader = new self($data);
        $document = $reader->value();
        if ($reader->next() !== '') {
            throw $reader->unexpected();
        }

        return $document;
    }

    public static function refused(string $reason): InvalidReceipt
    {
        return InvalidReceipt::because(
            "not a valid receipt: {$reason}",
            'get it again from where it came, and check that the file is a receipt',
        );
    }

    private function value(): mixed
    {
        return match ($this->next()) {
            '{' => $this->nested($this->object(...)),
            '[' => $this->nested($this->array(...)),
            '"' => $this->text(),
            default => $this->numberOrLiteral(),
        };
    }

    private function nested(\Closure $read): mixed
    {
        if (++$this->depth > self::MAX_DEPTH) {
            throw self::refused('nested too deeply');
        }
        $this->at++;
        $value = $read();
        $this->depth--;

        return $value;
    }

    private function object(): JsonObject
    {
        $fields = [];
        if ($this->took('}')) {
            return new JsonObject($fields);
        }
        do {
            if ($this->next() !== '"') {
                throw $this->unexpected();
            }
            $name = $this->text();
            if (array_key_exists($name, $fields)) {
                throw self::refused('the field ' . Text::shown($name) . ' occurs more than once');
            }
            $this->take(':');
            $fields[$name] = $this->value();
        } while ($this->took(','));
        $this->take('}');

        return new JsonObject($fields);
    }

    /** @return list<mixed> */
    private function array(): array
    {
        $items = [];
        if ($this->took(']')) {
            return $items;
        }
        do {
            $items[] = $this->value();
        } while ($this->took(','));
        $this->take(']');

        return $items;
    }

    private function text(): string
    {
        $start = $this->at++;
        while (true) {
            $this->at += strcspn($this->data, '"\\', $this->at);
            $stop = $this->data[$this->at] ?? throw $this->unexpected();
            if ($stop === '"') {
                break;
            }
            $this->at += 2; // a backslash and what it escapes
        }
        $this->at++;
        $text = json_decode(substr($this->data, $start, $this->at - $start));

        return is_string($text) ? $text : throw self::refused("the text at byte {$start} is not one of JSON's");
    }

    private function numberOrLiteral(): int|bool|null
    {
        if (preg_match(self::NUMBER, $this->data, $match, 0, $this->at) === 1) {
            $this->at += strlen($match[0]);

            return $this->wholeNumber($match[0]);
        }
        foreach (self::LITERALS as $word => $value) {
            if (substr_compare($this->data, $word, $this->at, strlen($word)) === 0) {
                $this->at += strlen($word);

                return $value;
            }
        }
        throw $this->unexpected();
    }

    private function wholeNumber(string $text): int
    {
        if (strpbrk($text, '.eE') !== false) {
            throw self::refused('the number ' . Text::shown($text) . ' is not written as a whole number');
        }
        // 2^53 has 16 digits; more would be lost in a float before they can be compared.
        if (strlen($text) > 17 || abs((int) $text) > self::MAX_NUMBER) {
            throw self::refused('the number ' . Text::shown($text) . ' is beyond 2^53-1');
        }

        return (int) $text;
    }

    /** The next character that is no whitespace, which stays the next; at the end ''. */
    private function next(): string
    {
        $this->at += strspn($this->data, self::WHITESPACE, $this->at);

        return $this->data[$this->at] ?? '';
    }

    private function took(string $char): bool
    {
        if ($this->next() !== $char) {
            return false;
        }
        $this->at++;

        return true;
    }

    private function take(string $char): void
    {
        if (!$this->took($char)) {
            throw $this->unexpected();
        }
    }

    private function unexpected(): InvalidReceipt
    {
        return $this->at < strlen($this->data)
            ? self::refused("not JSON at byte {$this->at}")
            : self::refused('the JSON ends too early');
    }
}
