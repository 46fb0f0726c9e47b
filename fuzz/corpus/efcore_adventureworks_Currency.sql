CREATE TABLE "Currency" (
    "CurrencyCode" TEXT NOT NULL CONSTRAINT "PK_Currency" PRIMARY KEY,
    "Name" TEXT NOT NULL,
    "ModifiedDate" TEXT NOT NULL DEFAULT (datetime('now'))
)