CREATE TABLE "Department" (
    "DepartmentID" INTEGER NOT NULL CONSTRAINT "PK_Department" PRIMARY KEY AUTOINCREMENT,
    "Name" TEXT NOT NULL,
    "GroupName" TEXT NOT NULL,
    "ModifiedDate" TEXT NOT NULL DEFAULT (datetime('now'))
)