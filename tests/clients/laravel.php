<?php
// Laravel's Illuminate database over PDO with prepared statements that are not emulated: schema builder, models, nested transactions,
// cursors, and many connections interleaved in one process, each with a time zone and a search path of its own.
declare(strict_types=1);

// Debian's Illuminate is older than its PHP.
error_reporting(E_ALL & ~E_DEPRECATED);

require 'Illuminate/Database/autoload.php';

use Illuminate\Database\Capsule\Manager as Capsule;
use Illuminate\Database\Connection;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\QueryException;
use Illuminate\Database\Schema\Blueprint;

const ROUNDS = 3;
const ZONES = ['UTC', 'Asia/Tokyo', 'Europe/Berlin'];
const OPEN_AT_ONCE = 4;

class Author extends Model
{
    protected $guarded = [];
    protected $casts = ['tags' => 'array'];

    public function books()
    {
        return $this->hasMany(Book::class);
    }
}

class Book extends Model
{
    protected $guarded = [];
    public $timestamps = false;
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
    } catch (QueryException $error) {
        equal($error->getCode(), $state, 'SQLSTATE');
        return;
    }
    throw new Exception("no error, but $state was due");
}

function check_session(Connection $database, int $number): void
{
    equal($database->selectOne('show timezone')->TimeZone, ZONES[$number % 3], 'time zone');
    equal($database->selectOne('show search_path')->search_path, 'laravel, public', 'search path');
    equal($database->selectOne('show client_encoding')->client_encoding, 'UTF8', 'client encoding');
    equal($database->selectOne('select application_name from pg_stat_activity where pid = pg_backend_pid()')->application_name,
        "laravel $number", 'application name');
}

function check_schema(Connection $database): void
{
    $database->statement('create schema if not exists laravel');
    $schema = $database->getSchemaBuilder();
    $schema->dropIfExists('books');
    $schema->dropIfExists('authors');
    // As a migration does it: in a transaction.
    $database->transaction(function () use ($schema) {
        $schema->create('authors', function (Blueprint $table) {
            $table->id();
            $table->string('name')->unique();
            $table->jsonb('tags')->nullable();
            $table->timestamps();
        });
        $schema->create('books', function (Blueprint $table) {
            $table->id();
            $table->foreignId('author_id')->constrained()->cascadeOnDelete();
            $table->string('title');
            $table->decimal('price', 10, 2)->default(0);
        });
    });
    $schema->table('books', fn (Blueprint $table) => $table->integer('pages')->nullable()->index());
    equal($schema->hasColumn('books', 'pages'), true, 'column of the second migration');
    equal($schema->getColumnListing('authors'), ['id', 'name', 'tags', 'created_at', 'updated_at'], 'columns');
}

function check_models(): void
{
    $author = Author::create(['name' => "Größe ' \\ ?", 'tags' => ['k' => [1, null]]]);
    equal(Author::find($author->id)->tags, ['k' => [1, null]], 'JSON read back');
    equal(Author::where('tags->k', '[1, null]')->count(), 1, 'rows found by JSON');
    $author->books()->createMany(array_map(fn ($n) => ['title' => "book $n", 'price' => "$n.25"], range(1, 50)));
    equal($author->books()->sum('price'), '1287.50', 'sum of prices');
    equal(Author::with('books')->first()->books->count(), 50, 'books loaded with their author');
    $sum = 0;
    Book::query()->orderBy('id')->chunk(20, function ($books) use (&$sum) {
        $sum += $books->sum(fn ($book) => (int) $book->price);
    });
    equal($sum, 1275, 'sum over chunks');
    equal(Book::query()->cursor()->sum(fn ($book) => (int) $book->price), 1275, 'sum over a cursor');
    Book::query()->upsert([['id' => Book::min('id'), 'author_id' => $author->id, 'title' => 'new title']], ['id'], ['title']);
    equal(Book::orderBy('id')->first()->title, 'new title', 'title after the upsert');
    fails_with('23505', fn () => Author::create(['name' => "Größe ' \\ ?"]));
    fails_with('22012', fn () => Author::selectRaw('1 / ?::int as q', [0])->get());
    $author->delete();
    equal(Book::count(), 0, 'books after the cascade');
}

function check_transactions(Connection $database): void
{
    try {
        $database->transaction(function () use ($database) {
            Author::create(['name' => 'outer']);
            fails_with('23505', fn () => $database->transaction(function () {
                Author::create(['name' => 'inner']);
                Author::create(['name' => 'outer']);
            }));
            equal(Author::pluck('name')->all(), ['outer'], 'rows after the inner rollback');
            throw new DomainException('undo this');
        });
    } catch (DomainException) {
        equal(Author::count(), 0, 'rows after the outer rollback');
    }
}

// Transactions are open on as many connections at once as the budget carries, and step forward in turn.
function check_crowd(array $crowd): void
{
    foreach ($crowd as $number => $database) {
        $database->statement("select set_config('app.user_id', ?, false)", [(string) $number]);
    }
    for ($turn = 0; $turn < ROUNDS; $turn++) {
        foreach (array_chunk($crowd, OPEN_AT_ONCE, true) as $members) {
            $mine = [];
            foreach ($members as $number => $database) {
                check_session($database, $number);
                equal($database->selectOne("select current_setting('app.user_id') as id")->id, (string) $number, "this client's own setting");
                $mine[$number] = ['owner' => "laravel-$number", 'value' => $turn . ' ' . mt_rand()];
                $database->beginTransaction();
                $database->table('uncommitted')->insert($mine[$number]);
            }
            foreach (array_reverse($members, true) as $number => $database) {
                $database->beginTransaction();
                $database->table('uncommitted')->insert(['owner' => 'undone', 'value' => '']);
                $database->rollBack();
                equal($database->table('uncommitted')->get()->map(fn ($row) => (array) $row)->all(), [$mine[$number]], 'rows that nobody else may have');
            }
            foreach ($members as $database) {
                $database->rollBack();
            }
        }
        foreach ($crowd as $number => $database) {
            $database->table('done')->insert(['client_kind' => 'laravel', 'client' => $number, 'round' => $turn]);
        }
    }
    equal($crowd[0]->table('done')->where('client_kind', 'laravel')->count(), count($crowd) * ROUNDS, 'rounds done');
}

$capsule = new Capsule();
for ($number = 0; $number < (int) getenv('NAMED_CLIENTS'); $number++) {
    $capsule->addConnection([
        'driver' => 'pgsql', 'host' => getenv('PGHOST'), 'port' => getenv('PGPORT'), 'database' => getenv('PGDATABASE'),
        'username' => getenv('PGUSER'), 'password' => getenv('PGPASSWORD'), 'charset' => 'utf8', 'prefix' => '',
        'schema' => ['laravel', 'public'], 'timezone' => ZONES[$number % 3], 'application_name' => "laravel $number",
    ], $number === 0 ? 'default' : "laravel $number");
}
$capsule->setAsGlobal();
$capsule->bootEloquent();
$crowd = [];
for ($number = 0; $number < (int) getenv('NAMED_CLIENTS'); $number++) {
    $crowd[$number] = $capsule->getConnection($number === 0 ? 'default' : "laravel $number");
    equal($crowd[$number]->getPdo()->getAttribute(PDO::ATTR_EMULATE_PREPARES), false, 'emulation');
}
check_schema($crowd[0]);
check_session($crowd[0], 0);
check_models();
check_transactions($crowd[0]);
check_crowd($crowd);
