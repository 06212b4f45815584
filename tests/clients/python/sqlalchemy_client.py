"""SQLAlchemy over psycopg2 and over asyncpg: its pool, ORM and Core, savepoints, streamed results, isolation levels, named statements."""
import asyncio
import os

import sqlalchemy
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base, relationship

import crowd
from crowd import CLIENTS, NAMED_CLIENTS, ROUNDS, equal

Base = declarative_base(metadata=sqlalchemy.MetaData(schema="alchemy"))


class Author(Base):
    __tablename__ = "author"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    name = sqlalchemy.Column(sqlalchemy.String(100), unique=True, nullable=False)
    tags = sqlalchemy.Column(JSONB)
    books = relationship("Book", back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    title = sqlalchemy.Column(sqlalchemy.String, nullable=False)
    author_id = sqlalchemy.Column(sqlalchemy.ForeignKey(Author.id), nullable=False)
    author = relationship(Author, back_populates="books")


def url(driver):
    return sqlalchemy.engine.URL.create(f"postgresql+{driver}", os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGHOST"],
                                        int(os.environ["PGPORT"]), os.environ["PGDATABASE"])


def check_schema(engine):
    with engine.begin() as connection:
        connection.execute(text("create schema if not exists alchemy"))
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    equal(sorted(sqlalchemy.inspect(engine).get_table_names("alchemy")), ["author", "book"], "tables found by introspection")
    with engine.begin() as connection:
        connection.execute(text("alter table alchemy.book add column pages integer"))
    equal([column["name"] for column in sqlalchemy.inspect(engine).get_columns("book", "alchemy")], ["id", "title", "author_id", "pages"],
          "columns found by introspection")


def check_orm(engine):
    with Session(engine) as session, session.begin():
        author = Author(name="Größe ' \\", tags={"k": [1, None]}, books=[Book(title=f"book {n}") for n in range(50)])
        session.add(author)
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="Größe ' \\"))
                session.flush()
            raise AssertionError("a duplicate was accepted")
        except IntegrityError:
            pass
        equal(session.execute(select(func.count()).select_from(Author)).scalar(), 1, "rows after the inner rollback")
    with Session(engine) as session:
        found = session.execute(select(Author).where(Author.tags["k"][0].astext == "1")).scalar_one()
        equal(len(found.books), 50, "books of the author")
        session.delete(found)
        session.commit()
        equal(session.execute(select(func.count()).select_from(Book)).scalar(), 0, "books after the cascade")


def check_streams_and_isolation(engine):
    with engine.connect().execution_options(stream_results=True, yield_per=100) as connection:
        rows = connection.execute(text("select n from generate_series(1, 2000) as n"))
        equal(sum(row.n for row in rows), 2001000, "sum over a cursor held on the server")
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        equal(connection.execute(text("show transaction_isolation")).scalar(), "serializable", "isolation level")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum alchemy.book"))
        equal(connection.execute(text("show transaction_isolation")).scalar(), "read committed", "isolation level in autocommit")
    with engine.connect() as connection:
        equal(connection.execute(text("show transaction_isolation")).scalar(), "read committed", "isolation level afterwards")


def one_of_the_crowd(engine):
    def work(number):
        with engine.connect() as connection:
            for turn in range(ROUNDS):
                mine = {"owner": f"alchemy-{number}", "value": str(turn)}
                transaction = connection.begin()
                connection.execute(text("insert into uncommitted values (:owner, :value)"), mine)
                savepoint = connection.begin_nested()
                connection.execute(text("insert into uncommitted values (:owner, 'undone')"), mine)
                savepoint.rollback()
                equal([dict(row._mapping) for row in connection.execute(text("select owner, value from uncommitted"))], [mine],
                      "rows that nobody else may have")
                transaction.rollback()
                with connection.begin():
                    connection.execute(text("insert into done values ('alchemy', :number, :turn)"), {"number": number, "turn": turn})

    return work


async def one_of_the_async_crowd(engine, number):
    async with engine.connect() as connection:
        for turn in range(ROUNDS):
            mine = {"owner": f"alchemy-async-{number}", "value": str(turn)}
            transaction = await connection.begin()
            await connection.execute(text("insert into uncommitted values (:owner, :value)"), mine)
            rows = await connection.execute(text("select owner, value from uncommitted"))
            equal([dict(row._mapping) for row in rows], [mine], "rows that nobody else may have")
            await transaction.rollback()
            async with connection.begin():
                await connection.execute(text("insert into done values ('alchemy-async', :number, :turn)"), {"number": number, "turn": turn})


async def check_async():
    # Each connection keeps fewer named statements than it uses.
    engine = create_async_engine(url("asyncpg"), pool_size=NAMED_CLIENTS, max_overflow=0,
                                 connect_args={"prepared_statement_cache_size": 3, "server_settings": {"application_name": "alchemy async",
                                                                                                       "search_path": "alchemy, public"}})
    async with AsyncSession(engine) as session:
        session.add(Author(name="async", tags={"a": 1}))
        await session.commit()
        equal((await session.execute(select(Author.tags).where(Author.name == "async"))).scalar(), {"a": 1}, "JSON read back")
        equal((await session.execute(text("select count(*) from author"))).scalar(), 1, "rows found by search_path")
        total = 0
        async for row in await session.stream(text("select n from generate_series(1, 500) as n")):
            total += row.n
        equal(total, 125250, "sum of a stream")
        await session.rollback()
    await asyncio.gather(*(one_of_the_async_crowd(engine, number) for number in range(NAMED_CLIENTS)))
    await engine.dispose()


def main():
    engine = sqlalchemy.create_engine(url("psycopg2"), pool_size=CLIENTS, max_overflow=0, future=True, pool_pre_ping=True)
    check_schema(engine)
    check_orm(engine)
    check_streams_and_isolation(engine)
    crowd.run(CLIENTS, one_of_the_crowd(engine))
    asyncio.run(check_async())
    with engine.connect() as connection:
        for kind, clients in (("alchemy", CLIENTS), ("alchemy-async", NAMED_CLIENTS)):
            done = connection.execute(text("select count(*) from done where client_kind = :kind"), {"kind": kind}).scalar()
            equal(done, clients * ROUNDS, f"rounds done by {kind}")
    engine.dispose()


os.environ["PGPASSFILE"] = os.devnull
main()
