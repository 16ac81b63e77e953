<?php

declare(strict_types=1);

namespace Plasm\Receipt;

use Plasm\Crypto;
use Plasm\Exception\InvalidReceipt;
use Plasm\Text;

/**
 * A JSON object that has exactly the fields that it must have, and readers for the forms that a value can have.
 *
 * Every refusal has the path of the field.
 */
final class Fields
{
    private const MAX_TEXT_LENGTH = 4096;

    /** @param array<array-key, mixed> $fields */
    private function __construct(private readonly array $fields, public readonly string $path)
    {
    }

    /**
     * @param list<string> $required
     * @param list<string> $optional
     * @throws InvalidReceipt not an object, a field missing, a field more
     */
    public static function of(mixed $value, string $path, array $required, array $optional = []): self
    {
        if (!$value instanceof JsonObject) {
            throw self::must($path, 'an object', $value);
        }
        foreach ($required as $name) {
            if (!array_key_exists($name, $value->fields)) {
                throw JsonReader::refused("{$path}.{$name} is missing");
            }
        }
        foreach (array_keys($value->fields) as $name) {
            if (!in_array((string) $name, [...$required, ...$optional], true)) {
                throw JsonReader::refused("{$path} has the unknown field " . Text::shown((string) $name));
            }
        }

        return new self($value->fields, $path);
    }

    /**
     * @param list<string> $required
     * @param list<string> $optional
     */
    public function object(string $name, array $required, array $optional = []): self
    {
        return self::of($this->fields[$name], "{$this->path}.{$name}", $required, $optional);
    }

    /**
     * @param list<string> $required
     * @return list<self>
     */
    public function objects(string $name, array $required): array
    {
        $objects = [];
        foreach ($this->array($name) as $index => $item) {
            $objects[] = self::of($item, "{$this->path}.{$name}[{$index}]", $required);
        }

        return $objects;
    }

    /** @return list<mixed> */
    public function array(string $name): array
    {
        $value = $this->fields[$name];

        return is_array($value) ? $value : throw $this->refused($name, 'an array');
    }

    /** A whole number that is not negative. */
    public function count(string $name): int
    {
        return $this->number($name, 0, JsonReader::MAX_NUMBER);
    }

    public function countIfPresent(string $name): ?int
    {
        return array_key_exists($name, $this->fields) ? $this->count($name) : null;
    }

    public function number(string $name, int $low, int $high): int
    {
        $value = $this->fields[$name];

        return is_int($value) && $low <= $value && $value <= $high
            ? $value
            : throw $this->refused($name, "a whole number from {$low} to {$high}");
    }

    /** Text that can be shown on a terminal as it is. */
    public function text(string $name): string
    {
        $value = $this->fields[$name];

        return is_string($value) && Text::isPrintable($value, self::MAX_TEXT_LENGTH)
            ? $value
            : throw $this->refused($name, 'printable text of 1 to ' . self::MAX_TEXT_LENGTH . ' characters');
    }

    public function exactly(string $name, string $expected): void
    {
        if ($this->fields[$name] !== $expected) {
            throw $this->refused($name, Text::shown($expected));
        }
    }

    public function hex(string $name, int $digits): string
    {
        $value = $this->fields[$name];

        return is_string($value) && Crypto::isHex($value, $digits)
            ? $value
            : throw $this->refused($name, "{$digits} lower-case hex digits");
    }

    /** What stands in `{"digest": {"sha256": …}}`, which this object has. */
    public function digest(): string
    {
        return $this->object('digest', ['sha256'])->hex('sha256', 64);
    }

    public function base64(string $name): string
    {
        $value = $this->fields[$name];

        return (is_string($value) ? Crypto::base64Decode($value) : null)
            ?? throw $this->refused($name, 'canonical, padded base64');
    }

    /**
     * @template T of \BackedEnum
     * @param class-string<T> $choices
     * @return T
     */
    public function oneOf(string $name, string $choices): \BackedEnum
    {
        $value = $this->fields[$name];
        $known = implode(', ', array_column($choices::cases(), 'value'));

        return (is_string($value) ? $choices::tryFrom($value) : null)
            ?? throw $this->refused($name, "one of {$known}");
    }

    /**
     * @template T of \BackedEnum
     * @param class-string<T> $choices
     * @return ?T
     */
    public function oneOfIfPresent(string $name, string $choices): ?\BackedEnum
    {
        return array_key_exists($name, $this->fields) ? $this->oneOf($name, $choices) : null;
    }

    /** Microseconds since the Unix epoch. */
    public function moment(string $name): int
    {
        $value = $this->fields[$name];

        return (is_string($value) ? Moment::parse($value) : null)
            ?? throw $this->refused($name, 'a moment like 2025-01-31T12:00:00.000000Z');
    }

    public function refused(string $name, string $expected): InvalidReceipt
    {
        return self::must("{$this->path}.{$name}", $expected, $this->fields[$name]);
    }

    private static function must(string $path, string $expected, mixed $value): InvalidReceipt
    {
        return JsonReader::refused("{$path} must be {$expected}, not " . Text::shown($value));
    }
}
