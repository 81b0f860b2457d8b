package pgtemp

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Create makes an empty database.
func (s *Server) Create(ctx context.Context, database string) error {
	return s.admin(ctx, "create database "+database, "CREATE DATABASE "+name(database))
}

// Clone makes a database that is a copy of template, which nobody may be connected to meanwhile. It copies the
// files: PostgreSQL 15 and later would write all their pages to the WAL, which takes three times as long.
func (s *Server) Clone(ctx context.Context, database, template string) error {
	strategy := " STRATEGY file_copy"
	if strings.HasPrefix(s.Version(), "14") {
		strategy = "" // it knows no other way
	}
	return s.admin(ctx, "clone database "+template+" as "+database,
		"CREATE DATABASE "+name(database)+" TEMPLATE "+name(template)+strategy)
}

// Replace is Clone in place of what has the database's name.
func (s *Server) Replace(ctx context.Context, database, template string) error {
	if err := s.Drop(ctx, database); err != nil {
		return err
	}
	return s.Clone(ctx, database, template)
}

// Drop removes a database, if it is there, and ends the connections to it.
func (s *Server) Drop(ctx context.Context, database string) error {
	return s.admin(ctx, "drop database "+database, "DROP DATABASE IF EXISTS "+name(database)+" WITH (FORCE)")
}

func (s *Server) admin(ctx context.Context, doing, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func name(database string) string { return pgx.Identifier{database}.Sanitize() }
