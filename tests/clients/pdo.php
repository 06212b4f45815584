<?php
// PHP's PDO: emulated, unnamed and named statements, COPY, large objects, and many connections interleaved in one process.
declare(strict_types=1);

const ROUNDS = 3;

const EMULATED = [PDO::ATTR_EMULATE_PREPARES => true];
const UNNAMED = [PDO::ATTR_EMULATE_PREPARES => false, PDO::PGSQL_ATTR_DISABLE_PREPARES => true];
const NAMED = [PDO::ATTR_EMULATE_PREPARES => false];

function connect(array $options): PDO
{
    $place = sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
    return new PDO($place, getenv('PGUSER'), getenv('PGPASSWORD'), $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function equal(mixed $got, mixed $wanted, string $what): void
{
    if ($got !== $wanted) {
        throw new Exception(sprintf('%s: %s instead of %s', $what, var_export($got, true), var_export($wanted, true)));
    }
}

function fails_with(string $state, callable $work): void
{
    try {
        $work();
    } catch (PDOException $error) {
        equal($error->getCode(), $state, 'SQLSTATE');
        return;
    }
    throw new Exception("no error, but $state was due");
}

function ask(PDO $database, string $question, array $values = []): array
{
    $statement = $database->prepare($question);
    $statement->execute($values);
    return $statement->fetchAll(PDO::FETCH_NUM);
}

function check_values(PDO $database): void
{
    for ($turn = 0; $turn < 3; $turn++) {
        equal(ask($database, 'select ?::integer, ?::text, ?::text, ?::numeric', [$turn, "Größe ' \\ ?", null, '1.50']),
            [[$turn, "Größe ' \\ ?", null, '1.50']], 'values');
    }
    $statement = $database->prepare('select :bytes::bytea, :flag::boolean');
    $statement->bindValue('bytes', "\x00\xff\\", PDO::PARAM_LOB);
    $statement->bindValue('flag', true, PDO::PARAM_BOOL);
    $statement->execute();
    [$bytes, $flag] = $statement->fetch(PDO::FETCH_NUM);
    equal(stream_get_contents($bytes), "\x00\xff\\", 'bytea');
    equal($flag, true, 'boolean');
}

function check_transactions(PDO $database): void
{
    $database->beginTransaction();
    equal($database->prepare('insert into item (name) values (?)')->execute(['php']), true, 'insert');
    equal((int) $database->lastInsertId() > 0, true, 'identity of the new row');
    $database->exec('savepoint s');
    fails_with('23505', fn () => ask($database, 'insert into item (name) values (?)', ['php']));
    $database->exec('rollback to savepoint s');
    equal(ask($database, 'select count(*) from item where name = ?', ['php']), [[1]], 'rows after the savepoint');
    $database->rollBack();
    equal(ask($database, 'select count(*) from item where name = ?', ['php']), [[0]], 'rows after the rollback');
    fails_with('22012', fn () => $database->query('select 1 / 0'));
    equal($database->inTransaction(), false, 'in a transaction');
    equal($database->query("select speak('php')")->fetchColumn(), 'PHP', 'answer of a function');
}

function check_copy_and_large_object(PDO $database): void
{
    $database->beginTransaction();
    $database->exec('create temporary table copied (n integer, t text) on commit drop');
    $lines = array_map(fn ($n) => "$n\ttext $n\n", range(1, 2000));
    equal($database->pgsqlCopyFromArray('copied', $lines), true, 'COPY from an array');
    equal($database->pgsqlCopyToArray('copied'), $lines, 'rows copied out');
    $data = str_repeat(implode('', array_map('chr', range(0, 255))), 500);
    $object = $database->pgsqlLOBCreate();
    $stream = $database->pgsqlLOBOpen($object, 'w');
    fwrite($stream, $data);
    $stream = null;
    equal(stream_get_contents($database->pgsqlLOBOpen($object, 'r')), $data, 'large object');
    $database->pgsqlLOBUnlink($object);
    $database->rollBack();
    fails_with('22P02', fn () => $database->pgsqlCopyFromArray('done', ["php\tno number\t1\n"]));
    $cursor = $database->prepare('select n from generate_series(1, 500) as n', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
    $database->beginTransaction();
    $cursor->execute();
    equal($cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST), [500], 'last row of a cursor');
    equal($cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR), [499], 'row before it');
    $cursor = null;
    $database->commit();
}

// All connections stay open; transactions are open on as many at once as the budget carries, and step forward in turn.
function check_crowd(string $kind, int $count, int $open_at_once, array $options): void
{
    $crowd = [];
    for ($number = 0; $number < $count; $number++) {
        $crowd[$number] = connect($options);
    }
    for ($turn = 0; $turn < ROUNDS; $turn++) {
        foreach (array_chunk($crowd, $open_at_once, true) as $members) {
            $mine = [];
            foreach ($members as $number => $database) {
                $mine[$number] = ["$kind-$number", $turn . ' ' . mt_rand()];
                $database->beginTransaction();
                ask($database, 'insert into uncommitted values (?, ?)', $mine[$number]);
            }
            foreach (array_reverse($members, true) as $number => $database) {
                equal(ask($database, 'select owner, value from uncommitted'), [$mine[$number]], 'rows that nobody else may have');
            }
            foreach ($members as $database) {
                $database->rollBack();
            }
        }
        foreach ($crowd as $number => $database) {
            ask($database, 'insert into done values (?, ?, ?)', [$kind, $number, $turn]);
        }
    }
    equal(ask($crowd[0], 'select count(*) from done where client_kind = ?', [$kind]), [[$count * ROUNDS]], "rounds done by $kind");
}

foreach ([EMULATED, UNNAMED, NAMED] as $options) {
    $database = connect($options);
    check_values($database);
    check_transactions($database);
    check_copy_and_large_object($database);
    $database = null;
}
check_crowd('pdo-emulated', (int) getenv('CLIENTS'), 8, EMULATED);
check_crowd('pdo-unnamed', (int) getenv('CLIENTS'), 8, UNNAMED);
check_crowd('pdo-named', (int) getenv('NAMED_CLIENTS'), 4, NAMED);
